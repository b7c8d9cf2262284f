// Input tensors of the Open Inference Protocol.
import { FlexemrError, show } from '../errors.ts';
import { replyPieceBytesMax } from '../limits.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';

export type IntegerType = 'UINT8' | 'INT8' | 'UINT16' | 'INT16' | 'UINT32' | 'INT32' | 'UINT64' | 'INT64';
export type FloatType = 'FP16' | 'FP32' | 'FP64';
type Datatype = IntegerType | FloatType | 'BOOL' | 'BYTES';

export const integerTypes: readonly IntegerType[] = [
  'UINT8',
  'INT8',
  'UINT16',
  'INT16',
  'UINT32',
  'INT32',
  'UINT64',
  'INT64',
];
export const floatTypes: readonly FloatType[] = ['FP16', 'FP32', 'FP64'];
/** All datatypes of the protocol. BOOL and BYTES are known, so that errors can say which others to send. */
export const datatypes: readonly Datatype[] = [...integerTypes, ...floatTypes, 'BOOL', 'BYTES'];

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major. JSON: an array, flat or nested as the shape says. Binary: little-endian bytes. */
  readonly data: readonly unknown[] | Uint8Array;
}

/** The error of an input, whose message begins with its name. */
export function wrongInput(
  { name }: Pick<Tensor, 'name'>,
  problem: string,
  position?: number,
  value?: unknown,
): FlexemrError {
  const place = position === undefined ? '' : `, element ${position}`;
  const message = `input ${show(name)}${place}: ${problem}`;
  return new FlexemrError('INVALID_BAGS', message, { field: name, position, value });
}

export function wrongDatatype(tensor: Tensor, wanted: readonly string[]): FlexemrError {
  return wrongInput(tensor, `its datatype is ${tensor.datatype}, but must be one of ${wanted.join(', ')}`);
}

function wrongLength(tensor: Tensor, what: string): FlexemrError {
  return wrongInput(tensor, `its shape is ${shapeText(tensor)}, but ${what}`);
}

export function shapeText({ shape }: Pick<Tensor, 'shape'>): string {
  return `[${shape.join(', ')}]`;
}

/** How many elements a shape has. */
function elementsOf({ shape }: Tensor): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Where the elements are, as arguments of a typed array. They are copied if they are not aligned. */
export async function binaryOf(
  tensor: Tensor,
  elementBytes: number,
  slices: Slices,
): Promise<[buffer: ArrayBuffer, byteOffset: number, length: number]> {
  const { buffer, byteOffset, length } = tensor.data as Uint8Array<ArrayBuffer>;
  const elements = elementsOf(tensor);
  if (length !== elements * elementBytes) {
    throw wrongLength(tensor, `binary_data_size is ${length} and not ${elements} × ${elementBytes}`);
  }
  if (byteOffset % elementBytes === 0) return [buffer, byteOffset, elements];
  const copy = new Uint8Array(length);
  for (let at = 0; at < length; at += replyPieceBytesMax) {
    copy.set(new Uint8Array(buffer, byteOffset + at, Math.min(replyPieceBytesMax, length - at)), at);
    await slices.pause();
  }
  return [copy.buffer, 0, elements];
}

/** The elements of an array that is flat already or nested as the shape says. */
export async function flatten(
  tensor: Tensor,
  data: readonly unknown[],
  slices: Slices,
): Promise<readonly unknown[]> {
  const { shape } = tensor;
  let parts = data;
  if (Array.isArray(data[0])) {
    if (data.length !== shape[0]) throw wrongLength(tensor, `data has ${data.length} parts`);
    for (const size of shape.slice(1)) parts = await unnest(tensor, parts, size, slices);
  }
  if (parts.length === elementsOf(tensor)) return parts;
  throw wrongLength(tensor, `data has ${parts.length} elements`);
}

/** Joins the arrays that an array consists of. */
async function unnest(
  tensor: Tensor,
  parts: readonly unknown[],
  size: number,
  slices: Slices,
): Promise<unknown[]> {
  const joined: unknown[] = [];
  for (const [i, part] of parts.entries()) {
    if (i % elementsAtOnce === 0) await slices.pause();
    if (!Array.isArray(part) || part.length !== size)
      throw wrongLength(tensor, `data is not nested like this in part ${i}`);
    for (let at = 0; at < size; at += elementsAtOnce) {
      if (slices.over) await slices.pause();
      joined.push(...part.slice(at, at + elementsAtOnce));
    }
  }
  return joined;
}
