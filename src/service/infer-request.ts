// Reads a request of the Open Inference Protocol: a JSON object, and behind it the bytes of binary tensors.
import * as v from 'valibot';
import { integer, isObject, join, oneOf, read, type Schema } from '../check.ts';
import { FlexemrError, show } from '../errors.ts';
import { jsonBytesMax, u32Max } from '../limits.ts';
import { deadlineFields } from '../ranker/deadline.ts';
import { candidatesMax, scoreBytesMax, scoreTensorsMax, tensorDimsMax } from '../scoring-limits.ts';
import { parseJson } from '../transport/json-parser.ts';
import type { Slices } from '../wire/slices.ts';
import { datatypes, type Tensor, wrongInput } from './tensor.ts';

/** Says how many bytes of a body are JSON. */
export const jsonLengthHeader = 'inference-header-content-length';

export interface InferRequest {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  /** Outputs by name, and whether their data is to be binary; empty: all outputs. */
  readonly outputs: ReadonlyMap<string, boolean | undefined>;
  /** Whether outputs are binary that do not say it themselves. */
  readonly binary: boolean;
  readonly topK: number | undefined;
  /** Milliseconds. */
  readonly deadline: number | undefined;
}

/** An array of limited length. Its elements are not checked, because to check many at once takes long. */
function shortArray(most: number, what: string): Schema<unknown[]> {
  const isShort = (value: unknown): boolean => Array.isArray(value) && value.length <= most;
  return v.custom<unknown[]>(isShort, `an array of at most ${most} ${what}`);
}

const name = v.pipe(v.string(), v.nonEmpty());

const inputSchema = v.strictObject({
  name,
  datatype: oneOf(datatypes),
  shape: v.pipe(shortArray(tensorDimsMax, 'sizes'), v.array(integer(0, u32Max))),
  parameters: v.nullish(v.strictObject({ binary_data_size: v.optional(integer(0, scoreBytesMax)) })),
  data: v.optional(v.unknown()),
});
const outputSchema = v.strictObject({
  name,
  parameters: v.nullish(v.strictObject({ binary_data: v.optional(v.boolean()) })),
});
const requestSchema = v.strictObject({
  id: v.nullish(v.string()),
  /** Some clients repeat what the path says. */
  model_name: v.nullish(v.string()),
  model_version: v.nullish(v.string()),
  parameters: v.nullish(
    v.strictObject({
      top_k: v.optional(integer(1, candidatesMax)),
      deadline_ms: deadlineFields.deadline,
      binary_data_output: v.optional(v.boolean()),
    }),
  ),
  inputs: shortArray(scoreTensorsMax, 'inputs'),
  outputs: v.nullish(shortArray(scoreTensorsMax, 'outputs')),
});

/**
 * Reads a request.
 * @param jsonLength the header that says how many bytes are JSON; without it all of them are
 * @throws INVALID_BAGS, LIMIT_EXCEEDED
 */
export async function inferRequest(
  body: Buffer,
  jsonLength: string | undefined,
  slices: Slices,
): Promise<InferRequest> {
  const jsonBytes = jsonBytesOf(body, jsonLength);
  const given = await parseJson(body.subarray(0, jsonBytes), slices);
  if (!isObject(given)) throw wrongRequest('body', `expected an object, not ${show(given)}`);
  const { id, parameters, inputs, outputs } = read(requestSchema, given, ({ path, problem }) =>
    wrongRequest(path, problem),
  );
  const tensors = await eachOf(inputSchema, inputs, 'inputs', slices);
  const asked = await eachOf(outputSchema, outputs ?? [], 'outputs', slices);
  return {
    id: id ?? undefined,
    inputs: tensorsOf(tensors, body.subarray(jsonBytes), jsonLength !== undefined),
    outputs: new Map(asked.map((output) => [output.name, output.parameters?.binary_data])),
    binary: parameters?.binary_data_output ?? false,
    topK: parameters?.top_k,
    deadline: parameters?.deadline_ms,
  };
}

/** Reads inputs or outputs, whose names must differ. */
async function eachOf<T extends { readonly name: string }>(
  schema: Schema<T>,
  given: readonly unknown[],
  field: string,
  slices: Slices,
): Promise<T[]> {
  const names = new Set<string>();
  const all: T[] = [];
  for (const [i, value] of given.entries()) {
    if (slices.over) await slices.pause();
    const path = `${field}[${i}]`;
    const one = read(schema, value, (fault) => wrongRequest(join(path, fault.path), fault.problem));
    if (names.has(one.name)) throw wrongRequest(path, `${show(one.name)} is there twice`);
    names.add(one.name);
    all.push(one);
  }
  return all;
}

function wrongRequest(field: string, problem: string): FlexemrError {
  return new FlexemrError('INVALID_BAGS', `${field}: ${problem}`, { field });
}

function jsonBytesOf(body: Buffer, jsonLength: string | undefined): number {
  if (jsonLength === undefined) return body.length;
  const bytes = /^\d{1,15}$/.test(jsonLength) ? Number(jsonLength) : Number.NaN;
  if (!(bytes <= body.length)) {
    const problem = `expected how many of the ${body.length} bytes of the body are JSON, not ${show(jsonLength)}`;
    throw wrongRequest(jsonLengthHeader, problem);
  }
  if (bytes <= jsonBytesMax) return bytes;
  const message = `${jsonLengthHeader}: at most ${jsonBytesMax} bytes can be JSON; send large tensors as binary data`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: jsonLengthHeader, value: bytes });
}

/** Gives each binary tensor its bytes. */
function tensorsOf(
  inputs: readonly v.InferOutput<typeof inputSchema>[],
  bytes: Buffer,
  isBinary: boolean,
): Tensor[] {
  let at = 0;
  const tensors = inputs.map(({ parameters, data, ...tensor }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined) {
      if (Array.isArray(data)) return { ...tensor, data };
      const problem = data === undefined ? 'its data is missing' : `its data is ${show(data)}, not an array`;
      throw wrongInput(tensor, `${problem}; give data, or binary_data_size and the bytes behind the JSON`);
    }
    if (data !== undefined) throw wrongInput(tensor, 'give data or binary_data_size, not both');
    if (!isBinary) throw wrongInput(tensor, `for binary data the header ${jsonLengthHeader} is needed`);
    at += size;
    if (at <= bytes.length) return { ...tensor, data: bytes.subarray(at - size, at) };
    throw wrongInput(tensor, `the body ends ${at - bytes.length} bytes before its binary data does`);
  });
  if (at === bytes.length) return tensors;
  throw wrongRequest('body', `${bytes.length - at} bytes follow the binary data of the last input`);
}
