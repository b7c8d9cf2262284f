// The parts of a network that is made by a program.
import type { Attribute, Node, Tensor, Value } from './graph.ts';

/** A node with one output. */
export function node(
  opType: string,
  input: readonly string[],
  output: string,
  attribute: readonly Attribute[] = [],
): Node {
  return { opType, input, output: [output], attribute };
}

export function int(name: string, value: number): Attribute {
  return { name, type: 'INT', i: BigInt(value) };
}

export function ints(name: string, values: readonly number[]): Attribute {
  return { name, type: 'INTS', ints: values.map(BigInt) };
}

/** An input or output, f32 [b, …dims] for any b. */
export function batched(name: string, ...dims: readonly number[]): Value {
  const dim = [{ dimParam: 'b' }, ...dims.map((size) => ({ dimValue: BigInt(size) }))];
  return { name, type: { tensorType: { elemType: 'FLOAT', shape: { dim } } } };
}

export function floats(name: string, dims: readonly number[], values: Float32Array): Tensor {
  const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dims: dims.map(BigInt), dataType: 'FLOAT', rawData };
}

/** One dimension of int64, as axes, shapes and indices are. */
export function integers(name: string, values: readonly number[]): Tensor {
  const rawData = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
  return { name, dims: [BigInt(values.length)], dataType: 'INT64', rawData };
}
