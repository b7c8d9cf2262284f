import { instantiate } from '../../wasm/component/flexemr.js';
import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { FlexemrError } from '../errors.ts';
import { type DType, type PoolingMode, rowBytes } from '../kernel/reference.ts';
import { componentBytesMax } from '../limits.ts';
import type { CoreModules } from '../modules/core-modules.ts';
import { type Bags, type Pooled, type PoolOptions, withDefaults } from './bags.ts';
import { asked } from './failure.ts';
import { KeyIndex } from './key-index.ts';
import { Table } from './table.ts';

/** Rows as they are stored: f32, or the bytes of another dtype. */
export interface Rows {
  readonly dtype: DType;
  /** Columns, 1 … 4,096. */
  readonly dim: number;
  readonly rows: Uint8Array | Float32Array;
}

export interface ComponentOptions {
  /** Most bytes of tables and indexes at a time. Default and most: 1 GiB. */
  readonly memoryBytes?: number | undefined;
}

/** The kernels as a component (wasm/flexemr.wit), and its memory. */
export class Component {
  readonly #pooling: typeof Pooling;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(cores: CoreModules, { memoryBytes = componentBytesMax }: ComponentOptions = {}) {
    this.#pooling = instantiate((name) => cores[name as keyof CoreModules], {}).pooling;
    this.#bytesMax = Math.min(memoryBytes, componentBytesMax);
  }

  /** A table in the component's memory. @throws INVALID_TABLE, OUT_OF_MEMORY */
  table(rows: Rows): Table {
    const bytes = bytesOf(rows);
    const release = this.#reserve(bytes.length, 'table');
    try {
      return new Table(
        asked(() => this.#pooling.Table.create(rows.dtype, rows.dim, bytes)),
        release,
      );
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Pools rows that are brought along. @throws INVALID_TABLE, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED, OUT_OF_MEMORY */
  pool(rows: Rows, bags: Bags, options: PoolOptions): Pooled {
    const bytes = bytesOf(rows);
    const release = this.#reserve(bytes.length, 'rows');
    try {
      return asked(() =>
        this.#pooling.pool(rows.dtype, rows.dim, bytes, bags as Pooling.Bags, withDefaults(options)),
      );
    } finally {
      release();
    }
  }

  /** Joins partials of the same bags, shard by shard, and divides once. @throws INVALID_TABLE: they do not fit together */
  merge(mode: PoolingMode, dim: number, partials: readonly Pooled[], weighted = false): Pooled {
    return asked(() => this.#pooling.merge(mode, dim, weighted, [...partials]));
  }

  /** Unique keys in order of first occurrence, and for each key which of them it is. */
  deduplicate(keys: BigUint64Array): Pooling.Deduplicated {
    return asked(() => this.#pooling.deduplicate(keys));
  }

  /** Room for `capacity` ids and the u32 that each stands for. @throws LIMIT_EXCEEDED, OUT_OF_MEMORY */
  keyIndex(capacity: number): KeyIndex {
    const release = this.#reserve(capacity * indexBytesPerId, 'index');
    try {
      return new KeyIndex(
        asked(() => this.#pooling.KeyIndex.create(capacity)),
        release,
      );
    } catch (error) {
      release();
      throw error;
    }
  }

  #reserve(bytes: number, field: string): () => void {
    if (this.#bytes + bytes > this.#bytesMax) {
      const problem = `${field}: its ${bytes} bytes do not fit the ${this.#bytesMax - this.#bytes} that are left`;
      const message = `${problem} of memoryBytes; dispose of others, quantise, cut it into shards, or leave it on a memory node`;
      throw new FlexemrError('OUT_OF_MEMORY', message, { field, value: bytes });
    }
    this.#bytes += bytes;
    let released = false;
    return () => {
      if (!released) this.#bytes -= bytes;
      released = true;
    };
  }
}

/** A bucket of 64 bytes for three. */
const indexBytesPerId = 22;

function bytesOf({ dtype, dim, rows }: Rows): Uint8Array {
  if (!Number.isInteger(dim) || dim < 1 || rows.byteLength % rowBytes(dtype, dim) !== 0) {
    const message = `rows: ${rows.byteLength} bytes are no whole rows of dim = ${dim} columns in ${dtype}`;
    throw new FlexemrError('INVALID_TABLE', message, { field: 'rows', value: rows.byteLength });
  }
  return new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
}
