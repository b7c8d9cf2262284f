import type { FileHandle } from 'node:fs/promises';
import * as v from 'valibot';
import { check, filePath, hasSymbol, iterable, named, type Schema } from '../check.ts';
import { invalidFile, prefixBytes, quote } from './header-json.ts';
import {
  type Dtype,
  elementBits,
  headerSize,
  type OtherDtype,
  parseHeader,
  tensorBytes,
  tensorFields,
} from './safetensors-header.ts';
import { writeWhole } from './whole-file.ts';

/** A tensor to write: row-major elements of `dtype`. Its data must have exactly the bytes that `shape` needs. */
export interface TensorData {
  readonly name: string;
  readonly dtype: Dtype | OtherDtype;
  readonly shape: readonly number[];
  /** Its bytes, written unchanged: a view of plain or shared memory, or pieces made while the file is written. */
  readonly data: ArrayBufferView | AsyncIterable<ArrayBufferView>;
}

const isData = (value: unknown): boolean =>
  ArrayBuffer.isView(value) || hasSymbol(value, Symbol.asyncIterator);

const tensorData: Schema<TensorData> = v.object({
  ...tensorFields,
  data: v.custom<TensorData['data']>(isData, 'a view of its bytes, or an async iterable of views'),
});

/** The most bytes of one write call. */
const writeBytesMax = 8 * 2 ** 20;

/**
 * Writes a safetensors file. It appears at `path` only when it is complete: if writing fails, `path` is unchanged. The
 * header is padded to 8 bytes, and tensors are ordered from the widest dtype to the narrowest, so that each tensor is
 * aligned to its elements.
 * @throws INVALID_FILE if a name, dtype, shape, byte length or metadata cannot be in a file, or if the system refuses
 * to write; INVALID_OPTION if an argument has another type
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  check(filePath, path, 'path');
  const given = Array.from(check(iterable('a list of tensors'), tensors, 'tensors'), (tensor, i) =>
    check(tensorData, tensor, `tensors[${i}]`, 'INVALID_FILE'),
  );
  for (const [name, text] of Object.entries(check(named, metadata, 'metadata', 'INVALID_FILE')))
    check(v.string(), text, `__metadata__.${name}`, 'INVALID_FILE');
  const ordered = given.sort((a, b) => elementBits(b.dtype) - elementBits(a.dtype));
  const start = fileStart(ordered, metadata, path);
  await writeWhole(path, async (file) => {
    await writeFully(file, start);
    for (const tensor of ordered) await writeTensor(file, tensor, path);
  });
}

/** Makes the header and the size before it. Parses both again, so that we never write a file that we cannot read. */
function fileStart(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>>,
  path: string,
): Uint8Array {
  const members = Object.keys(metadata).length > 0 ? [member('__metadata__', metadata)] : [];
  let end = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const begin = end;
    end += ArrayBuffer.isView(data) ? data.byteLength : tensorBytes(dtype, shape);
    members.push(member(name, { dtype, shape, data_offsets: [begin, end] }));
  }
  const json = new TextEncoder().encode(`{${members.join()}}`);
  const start = new Uint8Array(prefixBytes + Math.ceil(json.byteLength / 8) * 8).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.byteLength - prefixBytes), true);
  start.set(json, prefixBytes);
  headerSize(start, start.byteLength + end, path);
  parseHeader(start.subarray(prefixBytes), end, path);
  return start;
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

async function writeTensor(
  handle: FileHandle,
  { name, dtype, shape, data }: TensorData,
  path: string,
): Promise<void> {
  if (ArrayBuffer.isView(data)) return writeFully(handle, data);
  let bytes = 0;
  for await (const piece of data) {
    check(v.custom(ArrayBuffer.isView, 'a view'), piece, `a piece of ${quote(name)}`);
    bytes += piece.byteLength;
    await writeFully(handle, piece);
  }
  const wanted = tensorBytes(dtype, shape);
  if (bytes === wanted) return;
  const problem = `its pieces have ${bytes} bytes, but its shape takes ${wanted}`;
  throw invalidFile(path, name, 0, problem, bytes);
}

async function writeFully(
  handle: FileHandle,
  { buffer, byteOffset, byteLength }: ArrayBufferView,
): Promise<void> {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  for (let done = 0; done < byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(byteLength - done, writeBytesMax));
    done += bytesWritten;
  }
}
