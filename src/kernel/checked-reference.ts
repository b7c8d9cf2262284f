// The reference as the package exports it. It checks arguments, because callers may write JavaScript without types.
import * as v from 'valibot';
import { check, integer, numberWhere, typedArray } from '../check.ts';
import { rowBytes as bytesOfRow, type DType } from './dtype.ts';
import type { PoolingMode } from './pooling-mode.ts';
import type { DistinctBags, Partial } from './reference.ts';
import * as reference from './reference.ts';
import { anyDim, anyDtype, anyMode } from './schemas.ts';

export type { DistinctBags, DType, Partial, PoolingMode };

const bytes = typedArray<Uint8Array>('Uint8Array');
const floats = typedArray<Float32Array>('Float32Array');
const keys = typedArray<BigUint64Array>('BigUint64Array');

/** A Float32Array of `length` values. */
function vector(length: number): v.GenericSchema<unknown, Float32Array> {
  return v.pipe(
    floats,
    v.check((values) => values.length === length, `a Float32Array of ${length} values`),
  );
}

/** Bytes of one row of `dim` columns. @throws INVALID_OPTION */
export function rowBytes(dtype: DType, dim: number): number {
  check(anyDtype, dtype, 'dtype');
  check(anyDim, dim, 'dim');
  return bytesOfRow(dtype, dim);
}

/** Value of an f16 given by its bits. @throws INVALID_OPTION */
export function halfToNumber(bits: number): number {
  check(integer(0, 0xffff), bits, 'bits');
  return reference.halfToNumber(bits);
}

/** Row `row` as `dim` f32 values; quantised values are q · scale + bias, rounded twice. @throws INVALID_OPTION */
export function decodeRow(rows: Uint8Array, dtype: DType, dim: number, row: number): Float32Array {
  check(bytes, rows, 'rows');
  const count = Math.floor(rows.length / rowBytes(dtype, dim));
  const isRow = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < count;
  check(numberWhere(isRow, `a row number less than ${count}`), row, 'row');
  return reference.decodeRow(rows, dtype, dim, row);
}

/** Folds rows in order, one column at a time. `weights` has one f32 per row. @throws INVALID_OPTION */
export function foldSegment(
  mode: PoolingMode,
  dim: number,
  rows: Float32Array[],
  weights?: Float32Array,
): Partial {
  check(anyMode, mode, 'mode');
  check(anyDim, dim, 'dim');
  check(v.array(vector(dim)), rows, 'rows');
  check(v.optional(vector(rows.length)), weights, 'weights');
  return reference.foldSegment(mode, dim, rows, weights);
}

/**
 * Merges the partials of one bag in shard order and divides once. Skips empty segments. The result of no rows is 0.
 * @throws INVALID_OPTION
 */
export function mergePartials(
  mode: PoolingMode,
  dim: number,
  partials: Partial[],
  weighted: boolean,
): Float32Array {
  check(anyMode, mode, 'mode');
  check(anyDim, dim, 'dim');
  const partial = v.object({
    values: vector(dim),
    count: integer(0, 0xffff_ffff),
    denominator: numberWhere(() => true, 'a number'),
  });
  check(v.array(partial), partials, 'partials');
  check(v.boolean(), weighted, 'weighted');
  return reference.mergePartials(mode, dim, partials, weighted);
}

/** Makes every NaN 7fc00000, because WebAssembly does not define its sign and payload. @throws INVALID_OPTION */
export function canonical(values: Float32Array): Float32Array {
  check(floats, values, 'values');
  return reference.canonical(values);
}

/** Unique keys in order of first occurrence, and for each key the position of its unique one. @throws INVALID_OPTION */
export function deduplicate(given: BigUint64Array): { unique: BigUint64Array; inverse: Uint32Array } {
  check(keys, given, 'keys');
  return reference.deduplicate(given);
}

const count = integer(0, 0xffff_ffff);

/** Offsets of bags whose keys are all of `keys` keys. */
function offsetsOf(keys: number): v.GenericSchema<unknown, Uint32Array> {
  const areOffsets = (given: Uint32Array): boolean =>
    given[0] === 0 && given.at(-1) === keys && given.every((end, bag) => bag === 0 || end >= given[bag - 1]);
  return v.pipe(
    typedArray<Uint32Array>('Uint32Array'),
    v.check(areOffsets, `a Uint32Array from 0 to ${keys} that never falls`),
  );
}

/**
 * Finds the bags of a feature that do not repeat an earlier one. Only these are sent to memory nodes.
 * @param offsets u32 [bags + 1] @param weights f32 [keys] @throws INVALID_OPTION
 */
export function distinctBags(
  given: BigUint64Array,
  offsets: Uint32Array,
  weights?: Float32Array,
): DistinctBags {
  check(keys, given, 'keys');
  check(offsetsOf(given.length), offsets, 'offsets');
  check(v.optional(vector(given.length)), weights, 'weights');
  return reference.distinctBags(given, offsets, weights);
}

/**
 * The shard of a key, as its place among the shards of its table.
 * @param last the last row number that each shard holds, in order; for an indexed table, the last hash of an id
 * @throws INVALID_OPTION
 */
export function shardOf(key: bigint, last: Uint32Array, indexed: boolean): number {
  const isKey = (value: bigint): boolean => value >= 0n && value < 2n ** 64n;
  check(v.pipe(v.bigint(), v.check(isKey, 'a u64')), key, 'key');
  check(typedArray<Uint32Array>('Uint32Array'), last, 'last');
  check(v.boolean(), indexed, 'indexed');
  return reference.shardOf(key, last, indexed);
}

/** Whether rows take so much fewer bytes than pooled vectors that they are fetched instead. @throws INVALID_OPTION */
export function fetchesRows(rows: number, rowBytes: number, results: number, resultBytes: number): boolean {
  for (const [name, value] of Object.entries({ rows, rowBytes, results, resultBytes }))
    check(count, value, name);
  return reference.fetchesRows(rows, rowBytes, results, resultBytes);
}
