import { type FileHandle, open } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { invalidFile, prefixBytes, quote } from './header-json.ts';
import {
  type Dtype,
  dtypeBytes,
  headerSize,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.ts';

/** What `read` gives for each dtype. Floats of 16 and 8 bits stay bits. */
export interface TensorArrays {
  BOOL: Uint8Array<ArrayBuffer>;
  U8: Uint8Array<ArrayBuffer>;
  I8: Int8Array<ArrayBuffer>;
  F8_E5M2: Uint8Array<ArrayBuffer>;
  F8_E4M3: Uint8Array<ArrayBuffer>;
  I16: Int16Array<ArrayBuffer>;
  U16: Uint16Array<ArrayBuffer>;
  F16: Uint16Array<ArrayBuffer>;
  BF16: Uint16Array<ArrayBuffer>;
  I32: Int32Array<ArrayBuffer>;
  U32: Uint32Array<ArrayBuffer>;
  F32: Float32Array<ArrayBuffer>;
  F64: Float64Array<ArrayBuffer>;
  I64: BigInt64Array<ArrayBuffer>;
  U64: BigUint64Array<ArrayBuffer>;
}

const arrays: { readonly [D in Dtype]: new (length: number) => TensorArrays[D] } = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  F8_E5M2: Uint8Array,
  F8_E4M3: Uint8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
};

/** Linux moves at most 2 GiB - 4 KiB in one read. */
const readBytesMax = 2 ** 30;

/** An open safetensors file: its checked header, and one file descriptor through which tensors are read. */
export class SafetensorsFile implements AsyncDisposable {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #handle: FileHandle;
  readonly #dataStart: number;

  private constructor(path: string, handle: FileHandle, header: SafetensorsHeader, dataStart: number) {
    this.path = path;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
    this.#handle = handle;
    this.#dataStart = dataStart;
  }

  /** Reads and checks the header, no more. Throws INVALID_FILE. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await openToRead(path);
    try {
      const fileBytes = await fileSize(handle, path);
      const prefix = new Uint8Array(Math.min(prefixBytes, fileBytes));
      await readFully(handle, path, 0, prefix);
      const header = new Uint8Array(headerSize(prefix, fileBytes, path));
      await readFully(handle, path, prefixBytes, header);
      const dataStart = prefixBytes + header.byteLength;
      return new SafetensorsFile(path, handle, parseHeader(header, fileBytes - dataStart, path), dataStart);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The header's entry of a tensor. Throws INVALID_FILE if there is none. */
  entry(name: string): TensorEntry {
    const entry = this.tensors.get(name);
    if (entry) return entry;
    const names = closest(name, this.tensors.keys()).map(quote).join(', ');
    const message = `${this.path}: no tensor ${quote(name)} among ${this.tensors.size}; closest: ${names || 'none'}. Check the name.`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'name', value: name });
  }

  /**
   * A whole tensor, in a typed array of its own. Name the dtype to have it checked.
   * Throws INVALID_FILE if the tensor is absent or of another dtype, OUT_OF_MEMORY if there is no room for it.
   */
  async read<D extends Dtype = Dtype>(name: string, dtype?: D): Promise<TensorArrays[D]> {
    const entry = this.entry(name);
    if (dtype !== undefined && dtype !== entry.dtype) {
      const position = this.#dataStart + entry.begin;
      const problem = `expected ${dtype}, found ${entry.dtype}`;
      throw invalidFile(this.path, `${name}.dtype`, position, problem, entry.dtype);
    }
    const array = allocate(entry, this.path);
    await this.readInto(name, 0, new Uint8Array(array.buffer));
    return array as TensorArrays[D];
  }

  /**
   * Fills `target`, which may be shared memory, from byte `byteOffset` of a tensor.
   * Throws INVALID_FILE if the tensor is absent or the file has become shorter, INVALID_OFFSETS if the tensor has
   * fewer bytes than that, RELEASED after close.
   */
  async readInto(name: string, byteOffset: number, target: Uint8Array): Promise<void> {
    const { begin, end } = this.entry(name);
    const room = end - begin - target.byteLength;
    if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset > room) {
      const message = `${quote(name)} has ${end - begin} bytes: cannot read ${target.byteLength} from byte ${byteOffset}`;
      throw new FlexemrError('INVALID_OFFSETS', message, { field: 'byteOffset', value: byteOffset });
    }
    await readFully(this.#handle, this.path, this.#dataStart + begin + byteOffset, target);
  }

  /** Reads under way end first. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const message = `cannot open ${path}: ${(cause as Error).message}. Check the path and its permissions.`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'path', value: path, cause });
  }
}

async function fileSize(handle: FileHandle, path: string): Promise<number> {
  const stat = await handle.stat();
  if (stat.isFile()) return stat.size;
  throw new FlexemrError('INVALID_FILE', `${path} is not a file. Check the path.`, {
    field: 'path',
    value: path,
  });
}

/** One read may give fewer bytes than asked for; none means that the file ends here. */
async function readFully(
  handle: FileHandle,
  path: string,
  position: number,
  target: Uint8Array,
): Promise<void> {
  for (let done = 0; done < target.byteLength; ) {
    if (handle.fd < 0) throw new FlexemrError('RELEASED', `${path} is closed. Open it again to read.`);
    const length = Math.min(target.byteLength - done, readBytesMax);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0)
      throw invalidFile(
        path,
        'data',
        position + done,
        'the file has become shorter since it was opened',
        done,
      );
    done += bytesRead;
  }
}

function allocate({ name, dtype, begin, end }: TensorEntry, path: string): TensorArrays[Dtype] {
  try {
    return new arrays[dtype]((end - begin) / dtypeBytes[dtype]);
  } catch (cause) {
    const message = `${path}: no room for ${quote(name)}, ${end - begin} bytes. Stream it instead.`;
    throw new FlexemrError('OUT_OF_MEMORY', message, { field: name, value: end - begin, cause });
  }
}

/** Up to 5 names, those with the longest common start first. */
function closest(name: string, names: Iterable<string>): string[] {
  const common = (other: string): number => {
    let length = 0;
    while (length < name.length && name[length] === other[length]) length++;
    return length;
  };
  return [...names].sort((a, b) => common(b) - common(a)).slice(0, 5);
}
