// The types of a network's outputs, as ONNX Runtime infers them from those of its inputs.
import * as ort from 'onnxruntime-web';
import { type Model, type Shape, type Value, writeModel } from './graph.ts';

/** Names of element types that are not the same in capitals. */
const elemTypes: Readonly<Record<string, string>> = { float32: 'FLOAT', float64: 'DOUBLE' };

/** ONNX Runtime gives an unknown dimension without a name as −1, and its WebAssembly build as this. */
const unknownDim = 2 ** 32 - 1;

/** Outputs may lack types. @returns the same model with the type of every output @throws Error if one is not known */
export async function withOutputTypes(model: Model): Promise<Model> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(writeModel(model), {
    executionProviders: ['wasm'],
    logSeverityLevel: 3,
  });
  const output = session.outputMetadata.map(typedValue);
  await session.release();
  return { ...model, graph: { ...model.graph, output } };
}

function typedValue(reported: ort.InferenceSession.ValueMetadata): Value {
  const { name } = reported;
  if (!reported.isTensor || reported.shape.length === 0) {
    throw new Error(`${name}: its shape cannot be inferred; have it inferred by onnx.shape_inference first`);
  }
  const elemType = elemTypes[reported.type] ?? reported.type.toUpperCase();
  return { name, type: { tensorType: { elemType, shape: shapeOf(reported.shape) } } };
}

function shapeOf(dims: readonly (number | string)[]): Shape {
  const dim = dims.map((size) => {
    if (typeof size === 'string') return { dimParam: size };
    return size === unknownDim || size < 0 ? {} : { dimValue: BigInt(size) };
  });
  return { dim };
}
