// Runs ONNX models as they are, on one thread.
import * as ort from 'onnxruntime-web';
import { type Model, writeModel } from '../../examples/onnx/graph.ts';

ort.env.wasm.numThreads = 1;

/** f32 values with their shape. */
export interface Floats {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
export type Feeds = Readonly<Record<string, Floats>>;
type Session = ort.InferenceSession;

export function openNetwork(model: Model | Uint8Array): Promise<Session> {
  const bytes = model instanceof Uint8Array ? model : writeModel(model);
  return ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], logSeverityLevel: 3 });
}

/** Takes from the feeds what the network has as inputs. */
export async function runNetwork(session: Session, feeds: Feeds): Promise<Record<string, Floats>> {
  const tensors = session.inputNames.map((name): [string, ort.Tensor] => {
    const { data, dims } = feeds[name];
    return [name, new ort.Tensor('float32', data, dims)];
  });
  const outputs = Object.entries(await session.run(Object.fromEntries(tensors)));
  return Object.fromEntries(
    outputs.map(([name, { data, dims }]) => [name, { data: Float32Array.from(data as Float32Array), dims }]),
  );
}

/** Runs networks one after another. Each may take what those before it gave. @returns all that they gave */
export async function runModels(models: readonly Model[], feeds: Feeds): Promise<Feeds> {
  const given: Record<string, Floats> = {};
  for (const model of models) {
    const session = await openNetwork(model);
    Object.assign(given, await runNetwork(session, { ...feeds, ...given }));
    await session.release();
  }
  return given;
}

/** Values in [−1, 1) that are the same in every run. */
export function madeUp(random: () => number, ...dims: readonly number[]): Floats {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return { data: Float32Array.from({ length }, () => random() * 2 - 1), dims };
}

/** The same rows [from, to) of every input. */
export function rowsOf(feeds: Feeds, from: number, to: number): Feeds {
  return Object.fromEntries(
    Object.entries(feeds).map(
      ([
        name,
        {
          data,
          dims: [rows, ...dims],
        },
      ]) => {
        const width = data.length / rows;
        return [name, { data: data.slice(from * width, to * width), dims: [to - from, ...dims] }];
      },
    ),
  );
}
