// Writes a reply of the Open Inference Protocol: a JSON object, and behind it the bytes of binary outputs.
import { FlexemrError, show } from '../errors.ts';
import { jsonResultBytesMax } from '../limits.ts';
import type { ModelSignature } from '../model/model.ts';
import { rankedName } from '../model/model-plan.ts';
import type { Scores } from '../scorer/score-task.ts';
import { jsonPieces } from '../transport/json-writer.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import { HttpError } from './failure.ts';
import { type InferRequest, jsonLengthHeader } from './infer-request.ts';

export interface InferReply {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly pieces: readonly Buffer[];
}

interface Output {
  readonly name: string;
  readonly datatype: 'FP32' | 'UINT32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array;
  readonly binary: boolean;
}

/** @throws INVALID_BAGS if a request asks for an output that the model does not have */
export function checkOutputs({ outputs, topK }: InferRequest, signature: ModelSignature): void {
  const known = signature.outputs.map(({ name }) => name);
  if (topK !== undefined) known.push(rankedName);
  for (const name of outputs.keys()) {
    if (known.includes(name)) continue;
    const advice = name === rankedName ? '; it comes with top_k' : '';
    const message = `outputs: the model has no output ${show(name)}, but ${known.join(', ')}${advice}`;
    throw new FlexemrError('INVALID_BAGS', message, { field: 'outputs', value: name });
  }
}

/** @throws LIMIT_EXCEEDED; HttpError for values that JSON does not have */
export async function inferReply(
  scores: Scores,
  request: InferRequest,
  signature: ModelSignature,
  slices: Slices,
): Promise<InferReply> {
  const outputs = await outputsOf(scores, request, signature, slices);
  await checkJson(
    outputs.filter(({ binary }) => !binary),
    slices,
  );
  const listed = outputs.map(({ name, datatype, shape, data, binary }) => {
    if (binary) return { name, datatype, shape, parameters: { binary_data_size: data.byteLength } };
    return { name, datatype, shape, data: data instanceof Float32Array ? data : [...data] };
  });
  const { name, version } = signature;
  const reply = { model_name: name, model_version: version, id: request.id, outputs: listed };
  const json = await jsonPieces(reply, slices);
  const bytes = outputs
    .filter(({ binary }) => binary)
    .map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return { headers: headersOf(json, bytes.length > 0), pieces: [...json, ...bytes] };
}

function headersOf(json: readonly Buffer[], isBinary: boolean): InferReply['headers'] {
  if (!isBinary) return { 'content-type': 'application/json' };
  const jsonLength = json.reduce((sum, { length }) => sum + length, 0);
  return { 'content-type': 'application/octet-stream', [jsonLengthHeader]: jsonLength };
}

/** The outputs that are asked for, in this order. With `top_k` their rows are those of the best candidates. */
async function outputsOf(
  { candidates, outputs, top }: Scores,
  request: InferRequest,
  signature: ModelSignature,
  slices: Slices,
): Promise<Output[]> {
  const widths = new Map(signature.outputs.map(({ name, width }) => [name, width]));
  const names = request.outputs.size > 0 ? [...request.outputs.keys()] : [...widths.keys()];
  if (top !== undefined && !names.includes(rankedName)) names.push(rankedName);
  const rows = top?.length ?? candidates;
  const listed: Output[] = [];
  for (const name of names) {
    const binary = request.outputs.get(name) ?? request.binary;
    const width = widths.get(name);
    if (width === undefined) {
      listed.push({ name, datatype: 'UINT32', shape: [rows], data: top ?? new Uint32Array(), binary });
      continue;
    }
    const data = top === undefined ? outputs[name] : await rowsOf(outputs[name], width, top, slices);
    listed.push({ name, datatype: 'FP32', shape: width === 1 ? [rows] : [rows, width], data, binary });
  }
  return listed;
}

/** The rows of some candidates. */
async function rowsOf(
  values: Float32Array,
  width: number,
  candidates: Uint32Array,
  slices: Slices,
): Promise<Float32Array> {
  const rows = new Float32Array(candidates.length * width);
  for (let row = 0; row < candidates.length; row++) {
    if (slices.over) await slices.pause();
    rows.set(values.subarray(candidates[row] * width, (candidates[row] + 1) * width), row * width);
  }
  return rows;
}

/** Checks that JSON can carry outputs. */
async function checkJson(outputs: readonly Output[], slices: Slices): Promise<void> {
  const bytes = outputs.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes > jsonResultBytesMax) {
    const message = `the outputs have ${bytes} bytes, but JSON can carry at most ${jsonResultBytesMax}; ask for binary data, for fewer outputs, or for top_k`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'outputs', value: bytes });
  }
  for (const { name, data } of outputs) {
    for (let i = 0; i < data.length; i++) {
      if (i % elementsAtOnce === 0) await slices.pause();
      if (!Number.isFinite(data[i])) throw notJson(name, i, data[i]);
    }
  }
}

function notJson(name: string, position: number, value: number): HttpError {
  const message = `output ${show(name)}: element ${position} is ${value}, which JSON does not have; ask for binary data (binary_data of the output, or binary_data_output)`;
  return new HttpError(406, name, message);
}
