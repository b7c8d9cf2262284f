// An ONNX file as plain data, and back. Fields are those of onnx.proto in camel case; 64-bit integers are bigints.
import { join } from 'node:path';
import protobuf from 'protobufjs';

// These types have the fields that are used here. A model that was read has all other fields too, and keeps them.

export interface Model {
  readonly irVersion: bigint;
  readonly opsetImport: readonly { readonly domain?: string; readonly version: bigint }[];
  readonly graph: Graph;
}

export interface Graph {
  readonly name: string;
  /** Each after the nodes whose outputs it takes. */
  readonly node: readonly Node[];
  readonly initializer: readonly Tensor[];
  readonly sparseInitializer?: readonly { readonly values: Tensor }[];
  readonly input: readonly Value[];
  readonly output: readonly Value[];
  /** Types of values between nodes, as far as they are known. */
  readonly valueInfo?: readonly Value[];
  readonly quantizationAnnotation?: readonly { readonly tensorName: string }[];
}

export interface Node {
  readonly opType: string;
  /** An input without a name is an optional one that is not given. */
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly Attribute[];
}

export interface Attribute {
  readonly name: string;
  /** Which other field has the value. */
  readonly type: string;
  readonly i?: bigint;
  readonly ints?: readonly bigint[];
  readonly t?: Tensor;
  readonly g?: Graph;
  readonly graphs?: readonly Graph[];
}

export interface Tensor {
  readonly name?: string;
  readonly dims: readonly bigint[];
  readonly dataType: string;
  /** Little-endian, row-major. */
  readonly rawData?: Uint8Array;
}

export interface Value {
  readonly name: string;
  readonly type?: { readonly tensorType?: { readonly elemType: string; readonly shape?: Shape } };
}

export interface Shape {
  /** A dimension has a size, or a name for a size that is known only at run time, or neither. */
  readonly dim: readonly { readonly dimValue?: bigint; readonly dimParam?: string }[];
}

const modelType = protobuf.loadSync(join(import.meta.dirname, 'onnx.proto')).lookupType('onnx.ModelProto');

/** @throws Error if the bytes are not an ONNX model, or have fields that would be lost */
export function readModel(bytes: Uint8Array): Model {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  const message = modelType.decode(reader);
  const model = modelType.toObject(message, { longs: BigInt, enums: String, arrays: true }) as Model;
  if (model.graph === undefined) throw new Error('this is not an ONNX model: it has no graph');
  const lost = modelType.encode(message).finish().length - writeModel(model).length;
  if (lost === 0) return model;
  throw new Error(`${lost} bytes of this model are in fields that onnx.proto does not have; add them there`);
}

/** Equal models give equal bytes. */
export function writeModel(model: Model): Uint8Array {
  return modelType.encode(modelType.fromObject(model)).finish();
}

/** The names of all values that a node takes, also in graphs that it has as attributes. */
export function inputsOf({ input, attribute = [] }: Node): string[] {
  const graphs = attribute.flatMap(({ g, graphs = [] }) => (g ? [g, ...graphs] : graphs));
  return [...input, ...graphs.flatMap(outerValues)].filter((name) => name !== '');
}

/** The values that a graph takes from around it. */
function outerValues({ node, initializer, input, output }: Graph): string[] {
  const own = new Set([...initializer, ...input].map(({ name }) => name));
  for (const name of node.flatMap((inner) => inner.output)) own.add(name);
  return [...node.flatMap(inputsOf), ...output.map(({ name }) => name)].filter((name) => !own.has(name));
}
