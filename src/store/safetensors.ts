import * as v from 'valibot';
import { check, filePath, typedArray } from '../check.ts';
import { FlexemrError, show } from '../errors.ts';
import { checkStoredTables, type StoredTableSpec } from '../plan/table-spec.ts';
import type { Files } from './byte-source.ts';
import { diskFiles } from './disk-files.ts';
import { invalidFile, quote } from './header-json.ts';
import type { StoredRows } from './rows-jobs.ts';
import {
  type Dtype,
  dtypeBytes,
  isDtype,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.ts';
import { readIndex } from './safetensors-index.ts';
import { SafetensorsPart } from './safetensors-part.ts';
import { checkToken, isUrl, shownPath } from './table-url.ts';

/** The result of `read` for each dtype. Floats of 16 and 8 bits are returned as bits. */
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

/**
 * An open safetensors file, or several files with one index (`*.safetensors.index.json`): the checked headers, and the
 * bytes of each file for reading the tensors. The files are on disks of this machine or at an HTTP server.
 */
export class SafetensorsFile implements AsyncDisposable {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** A list of its tables that was given separately. */
  readonly tableList: readonly StoredTableSpec[] | undefined;
  readonly #files: Files;
  readonly #parts: readonly SafetensorsPart[];
  /** The file of each tensor. */
  readonly #partOf: (name: string) => SafetensorsPart;

  private constructor(
    files: Files,
    path: string,
    parts: readonly SafetensorsPart[],
    partOf: (name: string) => SafetensorsPart,
    { tensors, metadata }: SafetensorsHeader,
    tableList: readonly StoredTableSpec[] | undefined,
  ) {
    this.path = path;
    this.tensors = tensors;
    this.metadata = metadata;
    this.tableList = tableList;
    this.#files = files;
    this.#parts = parts;
    this.#partOf = partOf;
  }

  /**
   * Opens a file, or all files of an index, and reads and checks only the headers.
   * @param path or an http:// or https:// URL, whose server must answer range requests
   * @param list the tables, if the file does not list them itself
   * @param token for the server of the URL
   * @throws INVALID_FILE, INVALID_OPTION, INVALID_TABLE; of a URL also UNAVAILABLE, UNAUTHORIZED
   */
  static async open(
    path: string,
    list?: readonly StoredTableSpec[],
    token?: string,
  ): Promise<SafetensorsFile> {
    check(filePath, path, 'path');
    checkToken(path, token);
    const shown = shownPath(path);
    const tableList = list === undefined ? undefined : checkStoredTables(list, 'list', shown);
    const files = await filesOf(path, token);
    try {
      if (files.isIndex(path)) return await SafetensorsFile.#openIndex(files, path, tableList);
      const part = await SafetensorsPart.open(await files.open(path));
      return new SafetensorsFile(files, shown, [part], () => part, part.header, tableList);
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  static async #openIndex(
    from: Files,
    at: string,
    tableList?: readonly StoredTableSpec[],
  ): Promise<SafetensorsFile> {
    const path = shownPath(at);
    const { files, fileOf, metadata } = await readIndex(from, at);
    const parts = await openParts(from, at, files);
    try {
      const partOf = (name: string): SafetensorsPart => parts.get(fileOf.get(name) ?? '') ?? all[0];
      const all = [...parts.values()];
      const tensors = new Map<string, TensorEntry>();
      for (const [name, file] of fileOf) {
        const entry = partOf(name).header.tensors.get(name);
        if (entry === undefined) throw notInPart(path, name, file);
        tensors.set(name, entry);
      }
      const listed = tableList === undefined ? metadataOf(path, all) : {};
      const header = { tensors, metadata: { ...listed, ...metadata } };
      return new SafetensorsFile(from, path, all, partOf, header, tableList);
    } catch (error) {
      for (const part of parts.values()) await part.close();
      throw error;
    }
  }

  /** The header's entry of a tensor. @throws INVALID_FILE if there is none, INVALID_OPTION */
  entry(name: string): TensorEntry {
    check(v.string(), name, 'name');
    const entry = this.tensors.get(name);
    if (entry) return entry;
    const names = closest(name, this.tensors.keys()).map(quote).join(', ');
    const message = `${this.path}: none of the ${this.tensors.size} tensors is named ${quote(name)}; closest: ${names || 'none'}. Check the name.`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'name', value: name });
  }

  /**
   * Reads a whole tensor into a new typed array.
   * @param dtype if given, the tensor must have this dtype
   * @throws INVALID_FILE if the tensor is absent or has another dtype, OUT_OF_MEMORY if its memory cannot be allocated
   */
  async read<D extends Dtype = Dtype>(name: string, dtype?: D): Promise<TensorArrays[D]> {
    const entry = this.entry(name);
    if (dtype !== undefined && dtype !== entry.dtype) {
      const { path, dataStart } = this.#partOf(name);
      const position = dataStart + entry.begin;
      const problem = `expected ${typeof dtype === 'string' ? dtype : show(dtype)}, found ${entry.dtype}`;
      throw invalidFile(path, `${name}.dtype`, position, problem, entry.dtype);
    }
    const array = allocate(entry, this.path);
    await this.readInto(name, 0, new Uint8Array(array.buffer));
    return array as TensorArrays[D];
  }

  /**
   * Fills `target`, which may be shared memory, with the bytes of a tensor from byte `byteOffset` on.
   * @throws INVALID_FILE if the tensor is absent or the file has changed, INVALID_OFFSETS if the tensor ends before
   * `target` is full, RELEASED after `close`; of a URL also UNAVAILABLE, UNAUTHORIZED
   */
  async readInto(name: string, byteOffset: number, target: Uint8Array): Promise<void> {
    check(typedArray<Uint8Array>('Uint8Array'), target, 'target');
    const { begin, end } = this.entry(name);
    const room = end - begin - target.byteLength;
    if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset > room) {
      const message = `${quote(name)} has ${end - begin} bytes: cannot read ${target.byteLength} from byte ${show(byteOffset)}`;
      throw new FlexemrError('INVALID_OFFSETS', message, { field: 'byteOffset', value: byteOffset });
    }
    await this.#partOf(name).read(begin + byteOffset, target, { tensor: name });
  }

  /** The place of a tensor: its file, which is open until `close`, and the position of its first byte. @internal */
  located(name: string): StoredRows {
    const { begin } = this.entry(name);
    const { source, dataStart } = this.#partOf(name);
    return { source, position: dataStart + begin, tensor: name };
  }

  /** What the server says to tell the content of a tensor's file from any other. Undefined on a disk. @internal */
  versionOf(name: string): string | undefined {
    return this.#partOf(name).source.version;
  }

  /** Closes the file. Reads in flight end first; those from a server end with RELEASED. */
  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()));
    await this.#files.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Where a path or a URL is opened. Only URLs need undici, which takes long to load. */
async function filesOf(path: string, token: string | undefined): Promise<Files> {
  if (!isUrl(path)) return diskFiles;
  const { HttpFiles } = await import('./http-files.ts');
  return new HttpFiles(path, token);
}

/** Opens all files of an index. @throws the error of the first file that cannot be opened, after all were tried */
async function openParts(
  from: Files,
  at: string,
  files: readonly string[],
): Promise<Map<string, SafetensorsPart>> {
  const opening = files.map(async (file) => SafetensorsPart.open(await from.open(from.beside(at, file))));
  const opened = await Promise.allSettled(opening);
  const failed = opened.find(({ status }) => status === 'rejected');
  const parts = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  if (failed?.status !== 'rejected') return new Map(parts.map((part, i) => [files[i], part]));
  for (const part of parts) await part.close();
  throw failed.reason;
}

/** Merges the metadata of the files of one index. Lists of tables in several files must be equal. */
function metadataOf(path: string, parts: readonly SafetensorsPart[]): Record<string, string> {
  const merged: Record<string, string> = Object.create(null);
  let lister: string | undefined;
  for (const { path: file, header } of parts) {
    const { tables } = header.metadata;
    if (tables !== undefined && lister !== undefined && tables !== merged.tables) {
      const message = `${path}: ${lister} and ${file} list different tables. Give one list of all tables (--table-list).`;
      throw new FlexemrError('INVALID_FILE', message, { field: '__metadata__.tables', value: file });
    }
    if (tables !== undefined) lister = file;
    Object.assign(merged, header.metadata);
  }
  return merged;
}

function notInPart(path: string, tensor: string, file: string): FlexemrError {
  const message = `${path}: ${quote(tensor)} is not in ${quote(file)}, which the index names. Fetch all files again.`;
  return new FlexemrError('INVALID_FILE', message, { field: `weight_map.${tensor}`, value: file });
}

function allocate({ name, dtype, begin, end }: TensorEntry, path: string): TensorArrays[Dtype] {
  if (!isDtype(dtype)) {
    const message = `${path}: ${quote(name)} is ${dtype}; elements of this dtype cannot be read. Read its bytes with readInto.`;
    throw new FlexemrError('INVALID_FILE', message, { field: `${name}.dtype`, value: dtype });
  }
  try {
    return new arrays[dtype]((end - begin) / dtypeBytes[dtype]);
  } catch (cause) {
    const message = `${path}: cannot allocate ${end - begin} bytes for ${quote(name)}. Read it in pieces with readInto.`;
    throw new FlexemrError('OUT_OF_MEMORY', message, { field: name, value: end - begin, cause });
  }
}

/** Up to 5 names. The names with the longest common beginning come first. */
function closest(name: string, names: Iterable<string>): string[] {
  const common = (other: string): number => {
    let length = 0;
    while (length < name.length && name[length] === other[length]) length++;
    return length;
  };
  return [...names].sort((a, b) => common(b) - common(a)).slice(0, 5);
}
