// The dense network of a DLRM, computed by plain loops in f64.
import fc from 'fast-check';
import type { DlrmShape } from '../../bench/serving/dlrm-shapes.ts';
import type { Model } from '../../examples/onnx/graph.ts';

/** Small shapes, some without dense features, some without hidden layers. */
export const dlrmShape: fc.Arbitrary<DlrmShape> = fc.record({
  dense: fc.nat(6),
  tables: fc.integer({ min: 2, max: 5 }),
  dim: fc.integer({ min: 1, max: 9 }),
  bottom: fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 3 }),
  top: fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 3 }),
});

interface Layer {
  /** [outputs, inputs] */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** The logit of one request. Weights are those of the model. */
export function logitOf(model: Model, dense: Float32Array, pooled: readonly Float32Array[]): number {
  const vector = layersOf(model, 'bottom').reduce(
    (values, layer) => relu(through(layer, values)),
    [...dense],
  );
  const vectors = dense.length === 0 ? pooled : [vector, ...pooled];
  const features = dense.length === 0 ? [] : [...vector];
  for (let i = 1; i < vectors.length; i++)
    for (let j = 0; j < i; j++) features.push(dot(vectors[i], vectors[j]));
  const layers = layersOf(model, 'top');
  const last = layers.length - 1;
  return layers.reduce((values, layer, i) => {
    const given = through(layer, values);
    return i === last ? given : relu(given);
  }, features)[0];
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const relu = (values: readonly number[]): number[] => values.map((value) => Math.max(0, value));

function through({ weight, bias }: Layer, values: readonly number[]): number[] {
  const inputs = values.length;
  return Array.from(bias, (add, i) => dot(weight.subarray(i * inputs, (i + 1) * inputs), values) + add);
}

function layersOf(model: Model, name: string): Layer[] {
  const layers: Layer[] = [];
  for (let i = 0; ; i++) {
    const [weight, bias] = ['weight', 'bias'].map((kind) => floatsOf(model, `${name}.${i}.${kind}`));
    if (weight === undefined || bias === undefined) return layers;
    layers.push({ weight, bias });
  }
}

function floatsOf({ graph }: Model, tensor: string): Float32Array | undefined {
  const bytes = graph.initializer.find(({ name }) => name === tensor)?.rawData;
  return bytes && new Float32Array(Uint8Array.from(bytes).buffer);
}
