// Encoding: converts f32, f16 or bf16 to rows of a table, in PyTorch's layouts, byte for byte.

import { BF16, F16, F32, INT4, INT8, NONE } from '../src/kernel/layout';
import { decodeHalves, F16Rows, F32Rows, half, isF16, isF32, rowBytesOf, Sum } from './rows';

/** bf16 is only a source, so it is not among the types of rows.ts. */
type BF16Rows = u64;

/**
 * Encodes `rows` rows of `dim` columns from `source` (F32, F16 or BF16, packed) to `out` in `dtype`.
 * @returns NONE, or the first row that cannot be quantised because its range is not finite
 */
export function encodeRows(source: usize, sourceDtype: u32, rows: u32, dim: u32, dtype: u32, out: usize): u32 {
  if (sourceDtype == BF16) return encode<BF16Rows>(source, rows, dim, dtype, out);
  return sourceDtype == F32 ? encode<F32Rows>(source, rows, dim, dtype, out) : encode<F16Rows>(source, rows, dim, dtype, out);
}

function encode<S>(source: usize, rows: u32, dim: u32, dtype: u32, out: usize): u32 {
  const stride = <usize>rowBytesOf(dtype, dim), sourceStride = <usize>dim * (isF32<S>() ? 4 : 2);
  for (let row: u32 = 0; row < rows; row++) {
    if (dtype == INT8) { if (!encodeInt8<S>(source, dim, out)) return row; }
    else if (dtype == INT4) { if (!encodeInt4<S>(source, dim, out)) return row; }
    else if (dtype == F16) encodeF16<S>(source, dim, out);
    else encodeF32<S>(source, dim, out);
    source += sourceStride;
    out += stride;
  }
  return NONE;
}

/** One column of a source row. */
@inline function column<S>(row: usize, at: u32): f32 {
  if (isF32<S>()) return load<f32>(row + (<usize>at << 2));
  if (isF16<S>()) return half(load<i16>(row + (<usize>at << 1)));
  return reinterpret<f32>(<u32>load<u16>(row + (<usize>at << 1)) << 16);
}

/** Four columns. */
@inline function columns<S>(row: usize, at: u32): v128 {
  if (isF32<S>()) return v128.load(row + (<usize>at << 2));
  const four = v128.load64_zero(row + (<usize>at << 1));
  if (isF16<S>()) return decodeHalves<F16Rows, Sum>(four, false, i16x8.splat(<i16>0x8fff));
  return i32x4.shl(i32x4.extend_low_i16x8_u(four), 16);
}

function encodeF32<S>(row: usize, dim: u32, out: usize): void {
  let c: u32 = 0;
  for (; c + 4 <= dim; c += 4) v128.store(out + (<usize>c << 2), columns<S>(row, c));
  for (; c < dim; c++) store<f32>(out + (<usize>c << 2), column<S>(row, c));
}

function encodeF16<S>(row: usize, dim: u32, out: usize): void {
  let c: u32 = 0;
  for (; c + 8 <= dim; c += 8) {
    const low = toHalves(columns<S>(row, c)), high = toHalves(columns<S>(row, c + 4));
    v128.store(out + (<usize>c << 1), i16x8.narrow_i32x4_u(low, high));
  }
  for (; c < dim; c++) store<u16>(out + (<usize>c << 1), toHalf(column<S>(row, c)));
}

/** scale = range / 255 and bias = min, as f32; q = round((x − min) · 255 / (range + 1e-8)), to even. */
function encodeInt8<S>(row: usize, dim: u32, out: usize): bool {
  const bounds = boundsOf<S>(row, dim);
  const low = f32x4.extract_lane(bounds, 0), range = f32x4.extract_lane(bounds, 1) - low;
  if (!isFinite<f32>(range)) return false;
  const inverse: f32 = 255 / (range + <f32>1e-8);
  let c: u32 = 0;
  for (; c + 16 <= dim; c += 16) v128.store(out + c, sixteen<S>(row, c, low, inverse, 255));
  for (; c < dim; c++) store<u8>(out + c, <u8>nearest<f32>((column<S>(row, c) - low) * inverse));
  store<f32>(out + dim, range / 255);
  store<f32>(out + dim, low, 4);
  return true;
}

/** scale and bias are rounded to f16 first. The scale is 1 if it would be 0 in f16. */
function encodeInt4<S>(row: usize, dim: u32, out: usize): bool {
  const bounds = boundsOf<S>(row, dim);
  const lowHalf = toHalf(f32x4.extract_lane(bounds, 0)), low = half(lowHalf);
  const range = f32x4.extract_lane(bounds, 1) - low;
  let scaleHalf = toHalf(range == 0 ? 1 : range / 15);
  if (!isFinite<f32>(low) || !isFinite<f32>(half(scaleHalf))) return false;
  if (half(scaleHalf) == 0) scaleHalf = toHalf(1);
  const inverse = <f32>1 / half(scaleHalf), tail = (dim + 1) >> 1;
  let c: u32 = 0;
  for (; c + 16 <= dim; c += 16) {
    const q = sixteen<S>(row, c, low, inverse, 15);
    // Two neighbours share a byte. The second one takes the high four bits.
    const pairs = v128.or(v128.and(q, i16x8.splat(0x000f)), i16x8.shl(i16x8.shr_u(q, 8), 4));
    v128.store64_lane(out + (c >> 1), i8x16.narrow_i16x8_u(pairs, pairs), 0);
  }
  memory.fill(out + (c >> 1), 0, tail - (c >> 1));
  for (; c < dim; c++) {
    const q = <u8>min<f32>(15, max<f32>(0, nearest<f32>((column<S>(row, c) - low) * inverse)));
    const at = out + (c >> 1);
    store<u8>(at, load<u8>(at) | (q << <u8>((c & 1) << 2)));
  }
  store<u16>(out + tail, scaleHalf);
  store<u16>(out + tail, lowHalf, 2);
  return true;
}

/** Sixteen columns as integers from 0 to `most`, a byte each. */
@inline function sixteen<S>(row: usize, at: u32, low: f32, inverse: f32, most: f32): v128 {
  const lows = f32x4.splat(low), inverses = f32x4.splat(inverse), mosts = f32x4.splat(most);
  const a = i16x8.narrow_i32x4_s(
    steps<S>(row, at, lows, inverses, mosts), steps<S>(row, at + 4, lows, inverses, mosts));
  const b = i16x8.narrow_i32x4_s(
    steps<S>(row, at + 8, lows, inverses, mosts), steps<S>(row, at + 12, lows, inverses, mosts));
  return i8x16.narrow_i16x8_u(a, b);
}

/** 1.5 · 2^23. If a number below 2^22 is added, the low bits of the sum are this number, rounded to nearest even. */
const ROUNDER: f32 = 12582912;

/** Four columns as integers from 0 to `mosts`, one per lane. To clamp before rounding gives the same as after it. */
@inline function steps<S>(row: usize, at: u32, lows: v128, inverses: v128, mosts: v128): v128 {
  const q = f32x4.mul(f32x4.sub(columns<S>(row, at), lows), inverses);
  const clamped = f32x4.pmin(mosts, f32x4.pmax(f32x4.splat(0), q));
  return i32x4.sub(f32x4.add(clamped, f32x4.splat(ROUNDER)), i32x4.splat(reinterpret<i32>(ROUNDER)));
}

/**
 * The least and the largest value of a row, in lanes 0 and 1; NaN if the row contains one. pmin and pmax take one
 * instruction each, min and max take several. The results of pmin and pmax are not exact for the sign of a zero and for
 * NaN. In such cases `exactBoundsOf` computes the bounds.
 */
function boundsOf<S>(row: usize, dim: u32): v128 {
  let lows = f32x4.splat(Infinity), highs = f32x4.splat(-Infinity), unordered = i32x4.splat(0), c: u32 = 0;
  for (; c + 4 <= dim; c += 4) {
    const four = columns<S>(row, c);
    lows = f32x4.pmin(lows, four);
    highs = f32x4.pmax(highs, four);
    unordered = v128.or(unordered, f32x4.ne(four, four));
  }
  const bounds = exactBoundsOf<S>(lows, highs, row, c, dim);
  const zero = f32x4.extract_lane(bounds, 0) == 0 || f32x4.extract_lane(bounds, 1) == 0;
  if (!zero && !v128.any_true(unordered)) return bounds;
  return exactBoundsOf<S>(f32x4.splat(Infinity), f32x4.splat(-Infinity), row, 0, dim);
}

/** The same for columns [from, dim) together with `lows` and `highs`: NaN wins, −0 < +0. */
function exactBoundsOf<S>(lows: v128, highs: v128, row: usize, from: u32, dim: u32): v128 {
  let low = f32x4.extract_lane(lows, 0), high = f32x4.extract_lane(highs, 0);
  low = min<f32>(low, min<f32>(f32x4.extract_lane(lows, 1), min<f32>(f32x4.extract_lane(lows, 2), f32x4.extract_lane(lows, 3))));
  high = max<f32>(high, max<f32>(f32x4.extract_lane(highs, 1), max<f32>(f32x4.extract_lane(highs, 2), f32x4.extract_lane(highs, 3))));
  for (let c = from; c < dim; c++) {
    const x = column<S>(row, c);
    low = min<f32>(low, x);
    high = max<f32>(high, x);
  }
  return f32x4.replace_lane(f32x4.splat(low), 1, high);
}

/** f32 to f16, rounded to nearest even. A value that is too large becomes Inf. */
function toHalf(x: f32): u16 {
  const bits = reinterpret<u32>(x), sign = (bits >> 16) & 0x8000;
  let rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return <u16>(sign | 0x7e00);
  if (rest >= 0x477ff000) return <u16>(sign | 0x7c00);
  // The last bit of 0.5 is worth 2^-24, so the addition of 0.5 rounds a subnormal half.
  if (rest < 0x38800000) return <u16>(sign | (reinterpret<u32>(reinterpret<f32>(rest) + <f32>0.5) - 0x3f000000));
  rest += 0xc8000fff + ((rest >> 13) & 1);
  return <u16>(sign | (rest >> 13));
}

/** Four f32 to f16, one per 32-bit lane: `toHalf` without branches. */
@inline function toHalves(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)), rest = v128.and(x, i32x4.splat(0x7fffffff));
  const even = v128.and(i32x4.shr_u(rest, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(rest, i32x4.splat(<i32>0xc8000fff)), even), 13);
  const subnormal = i32x4.sub(f32x4.add(rest, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  let halves = v128.bitselect(subnormal, normal, i32x4.lt_s(rest, i32x4.splat(0x38800000)));
  halves = v128.bitselect(i32x4.splat(0x7c00), halves, i32x4.ge_s(rest, i32x4.splat(0x477ff000)));
  halves = v128.bitselect(i32x4.splat(0x7e00), halves, i32x4.gt_s(rest, i32x4.splat(0x7f800000)));
  return v128.or(halves, sign);
}

/** Whether every value of the rows is finite. If so, the faster folds give the same bits. */
export function rowsFinite(rows: usize, dtype: u32, count: u32, dim: u32): bool {
  const stride = <usize>rowBytesOf(dtype, dim), end = rows + <usize>count * stride;
  if (dtype == F32) return wordsFinite<u32>(rows, end, 0x7f800000);
  if (dtype == F16) return wordsFinite<u16>(rows, end, 0x7c00);
  const tail = dtype == INT8 ? dim : (dim + 1) >> 1, most: f32 = dtype == INT8 ? 255 : 15;
  for (; rows < end; rows += stride) {
    const at = rows + tail;
    const scale = dtype == INT8 ? load<f32>(at) : half(load<i16>(at));
    const bias = dtype == INT8 ? load<f32>(at, 4) : half(load<i16>(at, 2));
    if (!isFinite<f32>(bias) || !isFinite<f32>(most * scale + bias)) return false;
  }
  return true;
}

function wordsFinite<W>(at: usize, end: usize, exponent: W): bool {
  let finite = true;
  // No early exit: the answer is usually yes, and a loop without branches can be vectorised by hand.
  for (; at + 16 <= end; at += 16) {
    const words = v128.and(v128.load(at), v128.splat<W>(exponent));
    finite = finite && !v128.any_true(v128.eq<W>(words, v128.splat<W>(exponent)));
  }
  for (; at < end; at += sizeof<W>()) finite = finite && (load<W>(at) & exponent) != exponent;
  return finite;
}
