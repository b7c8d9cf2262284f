// Decoding: four columns of a row become an f32x4, exactly as the scalar definition says.

import { F32, INT4, INT8 } from '../src/kernel/layout';

// Row formats are types, so that every fold is compiled for its own format and the checks below cost nothing:
export type F32Rows = f32;
/** f16 of any value. */
export type F16Rows = u16;
/** f16 known to be finite, left scaled by 2^-112 while sums are folded: see `scaledHalves`. */
export type F16FiniteRows = i16;
export type Int8Rows = u8;
export type Int4Rows = i8;

// How a value enters the fold, as types too.
export type Sum = u8;
export type Weighted = u16;
/** Largest of finite values: one instruction per vector. */
export type MaxFinite = u32;
/** Largest of any values: NaN wins, −0 < +0. */
export type MaxExact = u64;

@inline export function isF32<D>(): bool { return isFloat<D>(); }
@inline export function isF16<D>(): bool { return isInteger<D>() && sizeof<D>() == 2; }
@inline export function isInt8<D>(): bool { return isInteger<D>() && sizeof<D>() == 1 && !isSigned<D>(); }
@inline export function isInt4<D>(): bool { return isInteger<D>() && sizeof<D>() == 1 && isSigned<D>(); }
@inline export function isWeighted<M>(): bool { return sizeof<M>() == 2; }
@inline export function isMaxFinite<M>(): bool { return sizeof<M>() == 4; }
@inline export function isMax<M>(): bool { return sizeof<M>() >= 4; }
/** Sums and maxima of finite f16 stay scaled by 2^-112 until they are stored. A weight needs the value itself. */
@inline export function isScaled<D, M>(): bool { return isF16<D>() && isSigned<D>() && !isWeighted<M>(); }

/** Bytes of one row. */
@inline export function rowBytesOf(dtype: u32, dim: u32): u32 {
  if (dtype == F32) return dim << 2;
  if (dtype == INT8) return dim + 8;
  if (dtype == INT4) return ((dim + 1) >> 1) + 4;
  return dim << 1;
}

const SCALE_UP = reinterpret<f32>(0x77800000); // 2^112
const SCALE_DOWN = reinterpret<f32>(0x07800000); // 2^-112

@inline export function scaleUp(x: v128): v128 { return f32x4.mul(x, f32x4.splat(SCALE_UP)); }
@inline export function scaleDown(x: v128): v128 { return f32x4.mul(x, f32x4.splat(SCALE_DOWN)); }

/**
 * Four of eight halves as f32 × 2^-112: sign, exponent and fraction are moved to their places in an f32, whose value is
 * then too small by 2^112. This is exact for every finite half, including subnormals (they become f32 subnormals), and
 * sums of such values round as the true sums do. It is wrong for Inf and NaN, which `decodeHalves` corrects.
 * @param signs 0x8fff in every i16 lane
 */
@inline function scaledHalves(eight: v128, high: bool, signs: v128): v128 {
  const top = v128.and(i16x8.shr_s(eight, 3), signs), low = i16x8.shl(eight, 13);
  return high ? i16x8.shuffle(low, top, 4, 12, 5, 13, 6, 14, 7, 15) : i16x8.shuffle(low, top, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The low (or high) four of eight halves, as the fold needs them. */
@inline export function decodeHalves<D, M>(eight: v128, high: bool, signs: v128): v128 {
  const scaled = scaledHalves(eight, high, signs);
  if (isScaled<D, M>()) return scaled;
  if (isSigned<D>()) return scaleUp(scaled);
  // An exponent of all ones becomes 2^16…2^17: set all its bits again, to get Inf or NaN.
  const exponent = i16x8.splat(0x7c00);
  const special = v128.and(i16x8.eq(v128.and(eight, exponent), exponent), i16x8.splat(0x7f80));
  const zero = i16x8.splat(0);
  return v128.or(scaleUp(scaled), high
    ? i16x8.shuffle(zero, special, 4, 12, 5, 13, 6, 14, 7, 15)
    : i16x8.shuffle(zero, special, 0, 8, 1, 9, 2, 10, 3, 11));
}

/** Four quantised columns as f32: q · scale + bias, rounded twice. */
@inline export function dequantise(four: v128, scale: v128, bias: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(four), scale), bias);
}

/** One half as f32. */
@inline export function half(bits: i32): f32 {
  const finite = reinterpret<f32>((bits << 16 >> 3) & 0x8fffffff) * SCALE_UP;
  if ((bits & 0x7c00) != 0x7c00) return finite;
  return reinterpret<f32>(reinterpret<u32>(finite) | 0x7f800000);
}

/** Bytes from a quantised row's start to its scale and bias. */
@inline export function tailOf<D>(dim: usize): usize {
  return isInt8<D>() ? dim : (dim + 1) >> 1;
}

/** Writes a quantised row's scale and bias as two f32. @param tail address of both in the row */
@inline export function decodeTail<D>(tail: usize, out: usize): void {
  if (isInt8<D>()) return store<u64>(out, load<u64>(tail));
  store<f32>(out, half(load<i16>(tail)));
  store<f32>(out, half(load<i16>(tail, 2)), 4);
}

/** One column of a row as f32. @param tail scale and bias of a quantised row, as two f32 */
@inline export function decodeColumn<D>(row: usize, column: usize, tail: usize): f32 {
  if (isF32<D>()) return load<f32>(row + (column << 2));
  if (isF16<D>()) return half(load<i16>(row + (column << 1)));
  let q: u32;
  if (isInt8<D>()) q = load<u8>(row + column);
  else q = (<u32>load<u8>(row + (column >> 1)) >> ((<u32>column & 1) << 2)) & 15;
  return <f32>q * load<f32>(tail) + load<f32>(tail, 4);
}

/** Bytes before the given column. Blocks start at even columns. */
@inline export function columnBytes<D>(column: usize): usize {
  if (isF32<D>()) return column << 2;
  if (isF16<D>()) return column << 1;
  if (isInt8<D>()) return column;
  return column >> 1;
}

/** Makes every NaN the same NaN, 7fc00000. */
@inline export function canonical(x: v128): v128 {
  return v128.bitselect(x, i32x4.splat(0x7fc00000), f32x4.eq(x, x));
}

@inline export function canonicalScalar(x: f32): f32 {
  return x == x ? x : reinterpret<f32>(0x7fc00000);
}
