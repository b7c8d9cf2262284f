// The three sections of a DLRM's dense network. Each takes what the one before it gives.
import { batched, floats, int, integers, ints, node } from '../../examples/onnx/build.ts';
import type { Graph } from '../../examples/onnx/graph.ts';
import { fillFloats, mix32 } from '../data.ts';
import { type DlrmShape, interactionWidth } from './dlrm-shapes.ts';

export type Section = Pick<Graph, 'input' | 'output' | 'node' | 'initializer'>;
type Nodes = Pick<Section, 'node' | 'initializer'>;

/** `dense` [b, dense] → `vector` [b, dim]. */
export function bottomSection({ dense, dim, bottom }: DlrmShape, seed: number): Section {
  const mlp = layers('bottom', 'dense', [dense, ...bottom, dim], seed);
  const last = node('Relu', [mlp.last], 'vector');
  return {
    input: [batched('dense', dense)],
    output: [batched('vector', dim)],
    node: [...mlp.node, last],
    initializer: mlp.initializer,
  };
}

/**
 * `vector`, `pooled` [b, tables, dim] → `features` [b, interactionWidth]: the vector, then the products of vectors (1, 0),
 * (2, 0), (2, 1), …, where `vector` is number 0. Without dense features there is no `vector`.
 */
export function interactionSection(shape: DlrmShape): Section {
  const { dense, tables, dim } = shape;
  const pooled = batched('pooled', tables, dim);
  const output = [batched('features', interactionWidth(shape))];
  if (dense === 0) return { input: [pooled], output, ...products('pooled', tables, 'features') };
  const dots = products('vectors', tables + 1, 'dots');
  return {
    input: [batched('vector', dim), pooled],
    output,
    node: [
      node('Unsqueeze', ['vector', 'vector.axis'], 'row'),
      node('Concat', ['row', 'pooled'], 'vectors', [int('axis', 1)]),
      ...dots.node,
      node('Concat', ['vector', 'dots'], 'features', [int('axis', 1)]),
    ],
    initializer: [integers('vector.axis', [1]), ...dots.initializer],
  };
}

/** The strict lower triangle of the products of all pairs of vectors, row by row. */
function products(vectors: string, count: number, output: string): Nodes {
  const row = (i: number): number[] => Array.from({ length: i }, (_, j) => i * count + j);
  const triangle = Array.from({ length: count }, (_, i) => row(i)).flat();
  return {
    node: [
      node('Transpose', [vectors], 'columns', [ints('perm', [0, 2, 1])]),
      node('MatMul', [vectors, 'columns'], 'square'),
      node('Reshape', ['square', 'square.flat'], 'flat'),
      node('Gather', ['flat', 'triangle'], output, [int('axis', 1)]),
    ],
    // Zero keeps the size of the batch.
    initializer: [integers('square.flat', [0, count ** 2]), integers('triangle', triangle)],
  };
}

/** `features` [b, interactionWidth] → `logit` [b]. */
export function topSection(shape: DlrmShape, seed: number): Section {
  const width = interactionWidth(shape);
  const mlp = layers('top', 'features', [width, ...shape.top, 1], seed);
  const last = node('Squeeze', [mlp.last, 'logit.axis'], 'logit');
  return {
    input: [batched('features', width)],
    output: [batched('logit')],
    node: [...mlp.node, last],
    initializer: [...mlp.initializer, integers('logit.axis', [1])],
  };
}

/** Layers from one width to the next, with a Relu between two. `last` is what the last one gives. */
function layers(
  name: 'bottom' | 'top',
  input: string,
  widths: readonly number[],
  seed: number,
): Nodes & { readonly last: string } {
  const all = widths.slice(1).map((width, i) => {
    const layer = `${name}.${i}`;
    const from = i === 0 ? input : `${name}.${i - 1}.relu`;
    const [weight, bias] = [`${layer}.weight`, `${layer}.bias`];
    const relu = i === widths.length - 2 ? [] : [node('Relu', [layer], `${layer}.relu`)];
    return {
      layer,
      node: [node('Gemm', [from, weight, bias], layer, [int('transB', 1)]), ...relu],
      initializer: [
        floats(weight, [width, widths[i]], weights(width * widths[i], widths[i], `${weight}:${seed}`)),
        floats(bias, [width], weights(width, widths[i], `${bias}:${seed}`)),
      ],
    };
  });
  return {
    node: all.flatMap((one) => one.node),
    initializer: all.flatMap(({ initializer }) => initializer),
    last: all.at(-1)?.layer ?? input,
  };
}

/** Uniform in ±1 / √inputs, as PyTorch starts with: values neither grow nor vanish from layer to layer. */
function weights(length: number, inputs: number, seed: string): Float32Array {
  const values = new Float32Array(length);
  fillFloats(
    values,
    [...seed].reduce((hash, letter) => mix32(hash ^ letter.charCodeAt(0)), 1),
  );
  return values.map((value) => value / Math.sqrt(inputs));
}
