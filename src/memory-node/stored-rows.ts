import { dtypeCodes, isQuantised, rowBytes } from '../kernel/dtype.ts';
import { F32 } from '../kernel/layout.ts';
import type { LoadableTable } from '../store/load.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { sourceCodes, sourceRowBytes } from '../store/source-dtype.ts';
import type { WriterArena } from './writer-arena.ts';

/**
 * Rows of a table as a snapshot stores them. F16 and BF16 become F32, because rows of updates are F32, and must not be rounded before
 * they are stored as the table is. Quantised rows stay as they are, and rows of updates are quantised as nodes do it.
 */
export class StoredRows {
  readonly dtype: 'F32' | 'U8';
  /** Elements of a row. */
  readonly columns: number;
  readonly rowBytes: number;
  readonly #file: SafetensorsFile;
  readonly #from: LoadableTable;
  readonly #arena: WriterArena;

  constructor(file: SafetensorsFile, from: LoadableTable, arena: WriterArena) {
    const { source, spec } = from;
    this.dtype = isQuantised(source) ? 'U8' : 'F32';
    this.columns = isQuantised(source) ? rowBytes(source, spec.dim) : spec.dim;
    this.rowBytes = rowBytes(isQuantised(source) ? source : 'f32', spec.dim);
    this.#file = file;
    this.#from = from;
    this.#arena = arena;
  }

  /** @param count at most `rowsAtOnce` @returns rows [first, first + count) of the file */
  async read(first: number, count: number): Promise<Uint8Array> {
    const { source, spec, stored } = this.#from;
    const bytes = new Uint8Array(count * sourceRowBytes(source, spec.dim));
    await this.#file.readInto(stored.tensor, (first * bytes.length) / count, bytes);
    if (source !== 'f16' && source !== 'bf16') return bytes;
    const { kernels, bytes: memory, given, encoded } = this.#arena;
    memory.set(bytes, given);
    kernels.encodeRows(given, sourceCodes[source], count, spec.dim, dtypeCodes.f32, encoded);
    return memory.slice(encoded, encoded + count * this.rowBytes);
  }

  /** @returns a row of an update as it is stored, until the next call */
  encode(row: Float32Array): Uint8Array {
    const { source } = this.#from;
    if (!isQuantised(source)) return new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
    const { kernels, floats, bytes, given, encoded } = this.#arena;
    floats.set(row, given >>> 2);
    kernels.encodeRows(given, F32, 1, row.length, dtypeCodes[source], encoded);
    return bytes.subarray(encoded, encoded + this.rowBytes);
  }
}
