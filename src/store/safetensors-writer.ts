import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { type Dtype, dtypeBytes, headerSize, parseHeader, prefixBytes } from './safetensors-header.ts';

/** A tensor to write: row-major elements of `dtype`, in as many bytes as `shape` takes. */
export interface TensorData {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Over plain or shared memory, of any element type: its bytes are written as they are. */
  readonly data: ArrayBufferView;
}

/** Moved by one write call. */
const writeBytesMax = 8 * 2 ** 20;

/**
 * Writes a safetensors file that takes its place only when it is whole: a failure leaves what was at `path`.
 * Tensors lie widest dtype first after a header padded to 8 bytes, so each is aligned to its elements.
 * Throws INVALID_FILE for a name, dtype, shape, byte length or metadata that no file may have; file-system errors
 * as they are.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort((a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype]);
  const start = fileStart(ordered, metadata, path);
  // Beside the target, for a rename works within one file system only.
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, [start, ...ordered.map(({ data }) => data)]);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The header's size and the header. It is read back, so that a file which we would refuse is never written. */
function fileStart(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>>,
  path: string,
): Uint8Array {
  const members = Object.keys(metadata).length > 0 ? [member('__metadata__', metadata)] : [];
  let end = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const begin = end;
    end += data.byteLength;
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

async function writeFile(path: string, parts: readonly ArrayBufferView[]): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    for (const part of parts) await writeFully(handle, part);
    await handle.sync();
  } finally {
    await handle.close();
  }
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
