// What the kernels compute, stated plainly: one f32 operation at a time, in the order that docs/numerics.md gives.
// Slow on purpose; every kernel is tested against it bit for bit.

import { FETCH_PERMILLE_MAX, REPEAT_KEYS_MAX, REPEATS_SOUGHT } from './ask-layout.ts';
import { type DType, rowBytes } from './dtype.ts';
import { divides, type PoolingMode } from './pooling-mode.ts';

const { fround, sqrt } = Math;

/** Value of an f16 given by its bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Row `row` of `rows` as `dim` f32 values; quantised values are q · scale + bias, rounded twice. */
export function decodeRow(rows: Uint8Array, dtype: DType, dim: number, row: number): Float32Array {
  const bytes = rowBytes(dtype, dim);
  const view = new DataView(rows.buffer, rows.byteOffset + row * bytes, bytes);
  const out = new Float32Array(dim);
  for (let column = 0; column < dim; column++) out[column] = decodeColumn(view, dtype, dim, column);
  return out;
}

function decodeColumn(row: DataView, dtype: DType, dim: number, column: number): number {
  if (dtype === 'f32') return row.getFloat32(column * 4, true);
  if (dtype === 'f16') return halfToNumber(row.getUint16(column * 2, true));
  if (dtype === 'int8') {
    const scaled = fround(row.getUint8(column) * row.getFloat32(dim, true));
    return fround(scaled + row.getFloat32(dim + 4, true));
  }
  const q = (row.getUint8(column >> 1) >> (column % 2 ? 4 : 0)) & 15;
  const tail = Math.ceil(dim / 2);
  const scaled = fround(q * halfToNumber(row.getUint16(tail, true)));
  return fround(scaled + halfToNumber(row.getUint16(tail + 2, true)));
}

/** Writes row i of `from` to row `numbers[i]` of `rows`, in order. Both are packed, and have `bytes` bytes a row. */
export function scatterRows(rows: Uint8Array, from: Uint8Array, numbers: Uint32Array, bytes: number): void {
  for (const [i, number] of numbers.entries())
    for (let at = 0; at < bytes; at++) rows[number * bytes + at] = from[i * bytes + at];
}

/** The fold of one segment, which is the part of one bag that one shard holds. */
export interface Partial {
  /** f32 [dim]: Σx, Σwx or the maximum. */
  readonly values: Float32Array;
  /** Rows folded. */
  readonly count: number;
  /** Weighted mean: Σw; weighted sqrtn: Σw²; otherwise 0. */
  readonly denominator: number;
}

/** Folds rows in order, one column at a time. `weights` has one f32 per row. */
export function foldSegment(
  mode: PoolingMode,
  dim: number,
  rows: Float32Array[],
  weights?: Float32Array,
): Partial {
  const values = new Float32Array(dim).fill(mode === 'max' ? Number.NEGATIVE_INFINITY : 0);
  let denominator = 0;
  rows.forEach((row, i) => {
    const weight = weights?.[i];
    for (let column = 0; column < dim; column++)
      values[column] = join(mode, values[column], row[column], weight);
    if (weight === undefined || mode === 'sum' || mode === 'max') return;
    denominator = fround(denominator + (mode === 'mean' ? weight : fround(weight * weight)));
  });
  return { values: canonical(values), count: rows.length, denominator };
}

/** Math.max is the maximum that the contract requires, independent of the order: any NaN wins, −0 < +0. */
function join(mode: PoolingMode, acc: number, x: number, weight: number | undefined): number {
  if (mode === 'max') return Math.max(acc, x);
  return fround(acc + (weight === undefined ? x : fround(weight * x)));
}

/** Merges the partials of one bag in shard order and divides once. Skips empty segments. The result of no rows is 0. */
export function mergePartials(
  mode: PoolingMode,
  dim: number,
  partials: Partial[],
  weighted: boolean,
): Float32Array {
  const held = partials.filter((partial) => partial.count > 0);
  const values = new Float32Array(dim);
  if (held.length === 0) return values;
  values.set(held[0].values);
  let { count, denominator } = held[0];
  for (const partial of held.slice(1)) {
    for (let column = 0; column < dim; column++) {
      values[column] = join(mode, values[column], partial.values[column], undefined);
    }
    count += partial.count;
    denominator = fround(denominator + partial.denominator);
  }
  if (divides(mode)) {
    const total = weighted ? denominator : fround(count);
    const divisor = mode === 'mean' ? total : fround(sqrt(total));
    if (divisor === 0) return values.fill(0);
    for (let column = 0; column < dim; column++) values[column] = fround(values[column] / divisor);
  }
  return canonical(values);
}

/** Makes every NaN 7fc00000, because WebAssembly does not define its sign and payload. */
export function canonical(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) bits[i] = 0x7fc00000;
  });
  return values;
}

/** Unique keys in order of first occurrence, and for each key the position of its unique one. */
export function deduplicate(keys: BigUint64Array): { unique: BigUint64Array; inverse: Uint32Array } {
  const positions = new Map<bigint, number>();
  const inverse = Uint32Array.from(keys, (key) => {
    const position = positions.get(key) ?? positions.size;
    positions.set(key, position);
    return position;
  });
  return { unique: BigUint64Array.from(positions.keys()), inverse };
}

/** The bags of a feature that are sent to memory nodes. */
export interface DistinctBags {
  /** The numbers of the bags that are sent, in order. */
  readonly bags: Uint32Array;
  /** For each bag, the place of an equal bag among those that are sent. */
  readonly inverse: Uint32Array;
}

/**
 * Finds the bags of a feature that do not repeat an earlier one: the same keys, with the same weights, in the same
 * order. All bags are sent if the first ones do not repeat each other, or if few do, because results are then copied.
 * @param offsets u32 [bags + 1] of keys without padding keys
 */
export function distinctBags(
  keys: BigUint64Array,
  offsets: Uint32Array,
  weights?: Float32Array,
): DistinctBags {
  const count = offsets.length - 1;
  const weightBits = weights && new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
  const places = new Map<string, number>();
  const bags: number[] = [];
  const inverse = Uint32Array.from({ length: count }, (_, bag) => {
    const [begin, end] = [offsets[bag], offsets[bag + 1]];
    const text = `${keys.slice(begin, end)} ${weightBits?.slice(begin, end)}`;
    const place = places.get(text) ?? bags.length;
    if (place < bags.length) return place;
    if (end - begin <= REPEAT_KEYS_MAX) places.set(text, place);
    bags.push(bag);
    return place;
  });
  const sought = Math.min(count, REPEATS_SOUGHT);
  const repeats = count <= REPEATS_SOUGHT || bags.filter((bag) => bag < sought).length < sought;
  if (repeats && bags.length * 4 <= count * 3) return { bags: Uint32Array.from(bags), inverse };
  const all = Uint32Array.from({ length: count }, (_, bag) => bag);
  return { bags: all, inverse: all };
}

/** The finaliser of MurmurHash3. */
function hash(key: bigint): bigint {
  const step = (value: bigint, factor: bigint): bigint =>
    BigInt.asUintN(64, (value ^ (value >> 33n)) * factor);
  const mixed = step(step(key, 0xff51afd7ed558ccdn), 0xc4ceb9fe1a85ec53n);
  return mixed ^ (mixed >> 33n);
}

/**
 * The shard of a key, as its place among the shards of its table. The last shard has the keys past the end.
 * @param last the last row number that each shard holds, in order; for an indexed table, the last hash of an id
 */
export function shardOf(key: bigint, last: Uint32Array, indexed: boolean): number {
  const place = indexed ? hash(key) & 0xffffffffn : key;
  const found = last.findIndex((end) => place <= end);
  return found < 0 ? last.length - 1 : found;
}

/** Whether rows take fewer bytes than pooled vectors with their counts, so much fewer that they are fetched. */
export function fetchesRows(rows: number, rowBytes: number, results: number, resultBytes: number): boolean {
  return rows > 0 && rows * rowBytes * 1000 < results * resultBytes * FETCH_PERMILLE_MAX;
}
