// Requests of the Open Inference Protocol with binary tensors, made before anything is measured.
import type { FeatureBags } from '../serving/workload.ts';

export interface InferBody {
  readonly bytes: Uint8Array;
  /** How many of the bytes are JSON: the header `inference-header-content-length`. */
  readonly jsonBytes: number;
}

export interface BinaryTensor {
  readonly name: string;
  readonly datatype: 'UINT32' | 'FP32';
  readonly shape: readonly number[];
  readonly data: Uint32Array | Float32Array;
}

/** @param deadlineMs after which nobody needs the scores */
export function inferBody(tensors: readonly BinaryTensor[], deadlineMs: number): InferBody {
  const inputs = tensors.map(({ name, datatype, shape, data }) => {
    return { name, datatype, shape, parameters: { binary_data_size: data.byteLength } };
  });
  const parameters = { deadline_ms: deadlineMs, binary_data_output: true };
  const text = JSON.stringify({ parameters, inputs });
  // Spaces at the end align the tensors, so that the service need not copy them.
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const data = tensors.map((tensor) => bytesOf(tensor.data));
  return { bytes: Buffer.concat([json, ...data]), jsonBytes: json.length };
}

/** The bags of a feature: one tensor if all are of equal length, else several. */
export function bagTensors({ table, keys, offsets, weights }: FeatureBags): BinaryTensor[] {
  const { name } = table;
  const lengths = offsets.subarray(1).map((end, bag) => end - offsets[bag]);
  const isEven = lengths.every((length) => length === lengths[0]);
  if (isEven && weights === undefined)
    return [{ name, datatype: 'UINT32', shape: [lengths.length, lengths[0]], data: keys }];
  const tensors: BinaryTensor[] = [list(`${name}__values`, keys), list(`${name}__lengths`, lengths)];
  return weights === undefined ? tensors : [...tensors, list(`${name}__weights`, weights)];
}

/** A dense input: f32 [rows, width]. */
export function denseTensor(name: string, width: number, data: Float32Array): BinaryTensor {
  return { name, datatype: 'FP32', shape: [data.length / width, width], data };
}

function list(name: string, data: Uint32Array | Float32Array): BinaryTensor {
  return { name, datatype: data instanceof Uint32Array ? 'UINT32' : 'FP32', shape: [data.length], data };
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The outputs of a reply, which are all binary: f32 by name. */
export function outputsOf(reply: Uint8Array, jsonBytes: number): Map<string, Float32Array> {
  const { outputs } = JSON.parse(Buffer.from(reply.subarray(0, jsonBytes)).toString()) as {
    outputs: { name: string; parameters: { binary_data_size: number } }[];
  };
  let at = jsonBytes;
  return new Map(
    outputs.map(({ name, parameters }) => {
      const own = Uint8Array.from(reply.subarray(at, at + parameters.binary_data_size));
      at += own.length;
      return [name, new Float32Array(own.buffer)];
    }),
  );
}
