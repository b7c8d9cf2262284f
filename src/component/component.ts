import * as v from 'valibot';
import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { check, integer, type Schema, typedArray } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { type DType, dtypes, rowBytes } from '../kernel/dtype.ts';
import type { PoolingMode } from '../kernel/pooling-mode.ts';
import { componentIndexIdsMax } from '../limits.ts';
import type { CoreModules } from '../modules/core-modules.ts';
import { type Bags, checkedBags, checkedOptions, type Pooled, type PoolOptions, poolBytes } from './bags.ts';
import { Core } from './core.ts';
import { expectArray, expectDim, expectDType, expectMode, expectObject } from './expect.ts';
import { KeyIndex } from './key-index.ts';
import { Table } from './table.ts';

/** Stored rows: f32 values, or the bytes of any dtype. */
export interface Rows {
  readonly dtype: DType;
  /** Columns, 1 … 4,096. */
  readonly dim: number;
  readonly rows: Uint8Array | Float32Array;
}

export interface ComponentOptions {
  /**
   * Most bytes of all tables and indexes, plus the arguments and results of a call. At most 1 GiB, which is also the
   * default. At the edge the default is 48 MiB.
   */
  readonly memoryBytes?: number | undefined;
}

/** Three ids take a bucket of 64 bytes. */
const indexBytesPerId = 22;
/** A key, its copy, its position, and its part of a hash table. */
const deduplicateBytesPerKey = 36;

/** The kernels as a component (wasm/flexemr.wit), and its memory. */
export class Component {
  readonly #core: Core;

  /** @param memoryBytes already checked */
  constructor(modules: CoreModules, memoryBytes: number) {
    this.#core = new Core(modules, memoryBytes);
  }

  /** A table in the component's memory. @throws INVALID_TABLE, OUT_OF_MEMORY */
  table(rows: Rows): Table {
    const bytes = bytesOf(rows);
    const { dtype, dim } = rows;
    const create = (): Pooling.Table => this.#core.pooling.Table.create(dtype, dim, bytes);
    const [table, giveBack] = this.#core.keep(bytes.length, 'table', create);
    return new Table(this.#core, table, dim, giveBack);
  }

  /** Pools rows that are passed with the call. @throws INVALID_TABLE, and what `pool` of a table throws */
  pool(rows: Rows, bags: Bags, options: PoolOptions): Pooled {
    const bytes = bytesOf(rows);
    const { dtype, dim } = rows;
    const [checked, withDefaults] = [checkedBags(bags), checkedOptions(options)];
    const pool = (): Pooled => this.#core.pooling.pool(dtype, dim, bytes, checked, withDefaults);
    return this.#core.ask(bytes.length + poolBytes(checked, dim), pool, checked);
  }

  /**
   * Merges partials of the same bags, shard by shard, and divides once, by denominators if there are any.
   * @throws INVALID_BAGS if one is not a partial or does not fit the first
   * @throws INVALID_OPTION, INVALID_TABLE, OUT_OF_MEMORY
   */
  merge(mode: PoolingMode, dim: number, partials: readonly Pooled[]): Pooled {
    expectMode(mode);
    expectDim(dim);
    const checked = check(v.array(v.unknown()), partials, 'partials', 'INVALID_BAGS').map(checkedPartial);
    const bytes = checked.reduce(
      (sum, { values, counts }) => sum + values.byteLength + counts.byteLength * 2,
      0,
    );
    // The result is as large as each of the partials.
    const all = bytes + (bytes / checked.length || 0);
    return this.#core.ask(all, () => this.#core.pooling.merge(mode, dim, checked));
  }

  /**
   * Unique keys in order of first occurrence, and for each key the position of its unique one.
   * @throws INVALID_OPTION, OUT_OF_MEMORY
   */
  deduplicate(keys: BigUint64Array): Pooling.Deduplicated {
    expectArray(keys, 'BigUint64Array', 'keys');
    return this.#core.ask(keys.length * deduplicateBytesPerKey, () => this.#core.pooling.deduplicate(keys));
  }

  /** An index with space for `capacity` ids and one u32 per id. @throws INVALID_OPTION, OUT_OF_MEMORY */
  keyIndex(capacity: number): KeyIndex {
    check(integer(1, componentIndexIdsMax), capacity, 'capacity');
    const create = (): Pooling.KeyIndex => this.#core.pooling.KeyIndex.create(capacity);
    const [index, giveBack] = this.#core.keep(capacity * indexBytesPerId, 'index', create);
    return new KeyIndex(this.#core, index, giveBack);
  }
}

const bytes = typedArray<Uint8Array>('Uint8Array');
const floats: Schema<Rows['rows']> = typedArray('Uint8Array', 'Float32Array');
const isBytes = (value: unknown): boolean => v.is(bytes, value);
/** The arrays that rows of each dtype may be passed as. */
const storedRows = new Map<DType, Schema<Rows['rows']>>(
  dtypes.map((dtype) => [
    dtype,
    dtype === 'f32' ? floats : v.custom<Uint8Array>(isBytes, `a Uint8Array of ${dtype} rows`),
  ]),
);

/** @throws INVALID_TABLE */
function bytesOf(table: Rows): Uint8Array {
  expectObject(table, 'table', 'INVALID_TABLE');
  const { dtype, dim, rows } = table;
  expectDType(dtype);
  expectDim(dim);
  check(storedRows.get(dtype) ?? floats, rows, 'rows', 'INVALID_TABLE');
  if (rows.byteLength % rowBytes(dtype, dim) !== 0) {
    const message = `rows: ${rows.byteLength} bytes are not a whole number of rows of dim = ${dim} columns in ${dtype}`;
    throw new FlexemrError('INVALID_TABLE', message, { field: 'rows', value: rows.byteLength });
  }
  return new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
}

/** Checks the fields of a partial that `merge` reads. @throws INVALID_BAGS */
function checkedPartial(given: unknown, position: number): Pooled & { readonly counts: Uint32Array } {
  const field = `partials[${position}]`;
  expectObject(given, field, 'INVALID_BAGS');
  const partial = given as Pooled;
  const { values, counts, denominators } = partial;
  if (partial.partial !== true) {
    const message = `${field} is not a partial: pool it with { partial: true }`;
    throw new FlexemrError('INVALID_BAGS', message, { field: 'partials', position });
  }
  expectArray(values, 'Float32Array', `${field}.values`, 'INVALID_BAGS');
  expectArray(counts, 'Uint32Array', `${field}.counts`, 'INVALID_BAGS');
  if (denominators === undefined) return { values, counts: counts as Uint32Array, partial: true };
  expectArray(denominators, 'Float32Array', `${field}.denominators`, 'INVALID_BAGS');
  return { values, counts: counts as Uint32Array, denominators, partial: true };
}
