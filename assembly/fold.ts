// Folding: combines the rows of one bag, listed as addresses, into one f32 vector, in order, one block of columns at a
// time.
//
// A block is fast because its row loop is alone in its function, takes one row per iteration and keeps eight v128
// accumulators. V8 unrolls smaller or deeper loops and then moves all loads before the additions, which spills
// registers.

import {
  canonical, canonicalScalar, columnBytes, decodeColumn, decodeHalves, dequantise, F16Rows, isF16, isF32, isInt4,
  isInt8, isMax, isMaxFinite, isScaled, isWeighted, MaxExact, scaleDown, scaleUp,
} from './rows';
import { highNibbleBits, laneBits, nibbleBits, rowsOf, signBits, tailsOf } from './scratch';

// Block widths as types: a type of n bytes stands for 4n columns.
type Columns32 = u64;
type Columns16 = u32;
type Columns8 = u16;
type Columns4 = u8;

@inline function atLeast<N>(columns: i32): bool { return <i32>sizeof<N>() * 4 >= columns; }

/**
 * Whether each accumulator of a block holds every fourth (int8) or eighth (int4) column, as they lie in 32-bit lanes.
 * Extracting such columns costs less than spreading bytes by shuffles. They are put in order once per bag, not per row.
 */
@inline function isStrided<D, N>(): bool {
  return (isInt8<D>() && atLeast<N>(16)) || (isInt4<D>() && atLeast<N>(32));
}
/** Bytes in `out` between the vectors of four strided accumulators, and between the first four and the next four. */
@inline function strideOf<D>(): usize { return isInt8<D>() ? 16 : 32; }
@inline function nextFourOf<D>(): usize { return isInt8<D>() ? 64 : 16; }

/** Vector 0…3 of the transpose of four vectors. */
@inline function transpose0(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.shuffle(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(c, d, 0, 4, 1, 5), 0, 1, 4, 5);
}
@inline function transpose1(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.shuffle(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(c, d, 0, 4, 1, 5), 2, 3, 6, 7);
}
@inline function transpose2(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.shuffle(i32x4.shuffle(a, b, 2, 6, 3, 7), i32x4.shuffle(c, d, 2, 6, 3, 7), 0, 1, 4, 5);
}
@inline function transpose3(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.shuffle(i32x4.shuffle(a, b, 2, 6, 3, 7), i32x4.shuffle(c, d, 2, 6, 3, 7), 2, 3, 6, 7);
}

/** Four or eight columns of int8 as bytes. */
@inline function loadBytes<N>(p: usize): v128 {
  return atLeast<N>(8) ? v128.load64_zero(p) : v128.load32_zero(p);
}

/** Four, eight or sixteen columns of int4 as bytes; the low nibble comes first. @param nibbles 0x0f in every byte */
@inline function loadNibbles<N>(p: usize, nibbles: v128): v128 {
  const q = atLeast<N>(16) ? v128.load64_zero(p) : atLeast<N>(8) ? v128.load32_zero(p) : i16x8.splat(load<i16>(p));
  const low = v128.and(q, nibbles), high = v128.and(i16x8.shr_u(q, 4), nibbles);
  return i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** Folds one vector into an accumulator. */
@inline function join<M>(acc: v128, x: v128, weight: v128): v128 {
  if (isWeighted<M>()) return f32x4.add(acc, f32x4.mul(weight, x));
  if (isMaxFinite<M>()) return f32x4.pmax(acc, x);
  if (isMax<M>()) return f32x4.max(acc, x);
  return f32x4.add(acc, x);
}

/** The value that a fold starts with: the neutral one, or what an earlier part of the bag left in `out`. */
@inline function start<D, M>(out: usize, fresh: bool): v128 {
  if (isMax<M>()) return f32x4.splat(-Infinity);
  if (fresh) return f32x4.splat(0);
  return isScaled<D, M>() ? scaleDown(v128.load(out)) : v128.load(out);
}

@inline function finish<D, M>(out: usize, acc: v128, fresh: bool): void {
  let x = isScaled<D, M>() ? scaleUp(acc) : acc;
  if (isMax<M>() && !fresh) x = f32x4.max(v128.load(out), x);
  v128.store(out, canonical(x));
}

/** pmax keeps the zero that came first, so a −0 in its result may hide a +0. */
@inline function hasNegativeZero(acc: v128): bool {
  return v128.any_true(i32x4.eq(acc, i32x4.splat(0x80000000)));
}

/**
 * Folds one block of columns over rows [from, to) of a group.
 * @param column first column of the block (even) · @param weights one f32 per row, from row `from` on (Weighted)
 * @param out address of the block's first column · @param fresh the bag starts here; otherwise it continues from `out`
 */
function foldBlock<D, M, N>(
  group: usize, from: usize, to: usize, column: usize, weights: usize, out: usize, fresh: bool,
): void {
  let a0 = start<D, M>(out, fresh);
  let a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  if (!isMax<M>() && !fresh && isStrided<D, N>()) {
    let s0 = a0, s1 = start<D, M>(out + strideOf<D>(), fresh);
    let s2 = start<D, M>(out + 2 * strideOf<D>(), fresh), s3 = start<D, M>(out + 3 * strideOf<D>(), fresh);
    a0 = transpose0(s0, s1, s2, s3); a1 = transpose1(s0, s1, s2, s3);
    a2 = transpose2(s0, s1, s2, s3); a3 = transpose3(s0, s1, s2, s3);
    if (atLeast<N>(32)) {
      const next = out + nextFourOf<D>();
      s0 = start<D, M>(next, fresh); s1 = start<D, M>(next + strideOf<D>(), fresh);
      s2 = start<D, M>(next + 2 * strideOf<D>(), fresh); s3 = start<D, M>(next + 3 * strideOf<D>(), fresh);
      a4 = transpose0(s0, s1, s2, s3); a5 = transpose1(s0, s1, s2, s3);
      a6 = transpose2(s0, s1, s2, s3); a7 = transpose3(s0, s1, s2, s3);
    }
  } else if (!isMax<M>() && !fresh) {
    if (atLeast<N>(8)) a1 = start<D, M>(out + 16, fresh);
    if (atLeast<N>(16)) { a2 = start<D, M>(out + 32, fresh); a3 = start<D, M>(out + 48, fresh); }
    if (atLeast<N>(32)) {
      a4 = start<D, M>(out + 64, fresh); a5 = start<D, M>(out + 80, fresh);
      a6 = start<D, M>(out + 96, fresh); a7 = start<D, M>(out + 112, fresh);
    }
  }
  const offset = columnBytes<D>(column), end = rowsOf(group, to);
  // Constants come from memory, because V8 would make a known constant again in every iteration of the loop.
  const bits = isF16<D>() ? signBits(group) : isStrided<D, N>() ? laneBits<D>(group) : nibbleBits(group);
  const highBits = highNibbleBits(group);
  let tail = tailsOf(group, from), weight = f32x4.splat(1);
  for (let r = rowsOf(group, from); r < end; r += 4) {
    const p = <usize>load<u32>(r) + offset;
    if (isWeighted<M>()) { weight = v128.load32_splat(weights); weights += 4; }
    if (isF32<D>()) {
      a0 = join<M>(a0, v128.load(p), weight);
      if (atLeast<N>(8)) a1 = join<M>(a1, v128.load(p, 16), weight);
      if (atLeast<N>(16)) { a2 = join<M>(a2, v128.load(p, 32), weight); a3 = join<M>(a3, v128.load(p, 48), weight); }
      if (atLeast<N>(32)) {
        a4 = join<M>(a4, v128.load(p, 64), weight); a5 = join<M>(a5, v128.load(p, 80), weight);
        a6 = join<M>(a6, v128.load(p, 96), weight); a7 = join<M>(a7, v128.load(p, 112), weight);
      }
    } else if (isF16<D>()) {
      let h = atLeast<N>(8) ? v128.load(p) : v128.load64_zero(p);
      a0 = join<M>(a0, decodeHalves<D, M>(h, false, bits), weight);
      if (atLeast<N>(8)) a1 = join<M>(a1, decodeHalves<D, M>(h, true, bits), weight);
      if (atLeast<N>(16)) {
        h = v128.load(p, 16);
        a2 = join<M>(a2, decodeHalves<D, M>(h, false, bits), weight);
        a3 = join<M>(a3, decodeHalves<D, M>(h, true, bits), weight);
      }
      if (atLeast<N>(32)) {
        h = v128.load(p, 32);
        a4 = join<M>(a4, decodeHalves<D, M>(h, false, bits), weight);
        a5 = join<M>(a5, decodeHalves<D, M>(h, true, bits), weight);
        h = v128.load(p, 48);
        a6 = join<M>(a6, decodeHalves<D, M>(h, false, bits), weight);
        a7 = join<M>(a7, decodeHalves<D, M>(h, true, bits), weight);
      }
    } else {
      const scale = v128.load32_splat(tail), bias = v128.load32_splat(tail, 4);
      tail += 8;
      if (isStrided<D, N>()) {
        // A load from the next byte costs less than a shift. It stays in the row, because scale and bias follow.
        if (isInt8<D>()) {
          a0 = join<M>(a0, dequantise(v128.and(v128.load(p), bits), scale, bias), weight);
          a1 = join<M>(a1, dequantise(v128.and(v128.load(p, 1), bits), scale, bias), weight);
          a2 = join<M>(a2, dequantise(v128.and(v128.load(p, 2), bits), scale, bias), weight);
          a3 = join<M>(a3, dequantise(v128.and(v128.load(p, 3), bits), scale, bias), weight);
          if (atLeast<N>(32)) {
            a4 = join<M>(a4, dequantise(v128.and(v128.load(p, 16), bits), scale, bias), weight);
            a5 = join<M>(a5, dequantise(v128.and(v128.load(p, 17), bits), scale, bias), weight);
            a6 = join<M>(a6, dequantise(v128.and(v128.load(p, 18), bits), scale, bias), weight);
            a7 = join<M>(a7, dequantise(v128.and(v128.load(p, 19), bits), scale, bias), weight);
          }
        } else {
          // A high nibble in its place has the value 16 q. One sixteenth of the scale, which is exact, corrects this.
          const sixteenth = f32x4.mul(scale, f32x4.splat(0.0625));
          a0 = join<M>(a0, dequantise(v128.and(v128.load(p), bits), scale, bias), weight);
          a1 = join<M>(a1, dequantise(v128.and(v128.load(p), highBits), sixteenth, bias), weight);
          a2 = join<M>(a2, dequantise(v128.and(v128.load(p, 1), bits), scale, bias), weight);
          a3 = join<M>(a3, dequantise(v128.and(v128.load(p, 1), highBits), sixteenth, bias), weight);
          a4 = join<M>(a4, dequantise(v128.and(v128.load(p, 2), bits), scale, bias), weight);
          a5 = join<M>(a5, dequantise(v128.and(v128.load(p, 2), highBits), sixteenth, bias), weight);
          a6 = join<M>(a6, dequantise(v128.and(v128.load(p, 3), bits), scale, bias), weight);
          a7 = join<M>(a7, dequantise(v128.and(v128.load(p, 3), highBits), sixteenth, bias), weight);
        }
      } else {
        const q = isInt8<D>() ? loadBytes<N>(p) : loadNibbles<N>(p, bits), low = i16x8.extend_low_i8x16_u(q);
        a0 = join<M>(a0, dequantise(i32x4.extend_low_i16x8_u(low), scale, bias), weight);
        if (atLeast<N>(8)) a1 = join<M>(a1, dequantise(i32x4.extend_high_i16x8_u(low), scale, bias), weight);
        if (atLeast<N>(16)) {
          const high = i16x8.extend_high_i8x16_u(q);
          a2 = join<M>(a2, dequantise(i32x4.extend_low_i16x8_u(high), scale, bias), weight);
          a3 = join<M>(a3, dequantise(i32x4.extend_high_i16x8_u(high), scale, bias), weight);
        }
      }
    }
  }
  if (isMaxFinite<M>()) {
    let zero = hasNegativeZero(a0);
    if (atLeast<N>(8)) zero = zero || hasNegativeZero(a1);
    if (atLeast<N>(16)) zero = zero || hasNegativeZero(a2) || hasNegativeZero(a3);
    if (atLeast<N>(32)) {
      zero = zero || hasNegativeZero(a4) || hasNegativeZero(a5) || hasNegativeZero(a6) || hasNegativeZero(a7);
    }
    if (zero) {
      if (isF16<D>()) foldBlock<F16Rows, MaxExact, N>(group, from, to, column, weights, out, fresh);
      else foldBlock<D, MaxExact, N>(group, from, to, column, weights, out, fresh);
      return;
    }
  }
  if (isStrided<D, N>()) {
    finish<D, M>(out, transpose0(a0, a1, a2, a3), fresh);
    finish<D, M>(out + strideOf<D>(), transpose1(a0, a1, a2, a3), fresh);
    finish<D, M>(out + 2 * strideOf<D>(), transpose2(a0, a1, a2, a3), fresh);
    finish<D, M>(out + 3 * strideOf<D>(), transpose3(a0, a1, a2, a3), fresh);
    if (atLeast<N>(32)) {
      const next = out + nextFourOf<D>();
      finish<D, M>(next, transpose0(a4, a5, a6, a7), fresh);
      finish<D, M>(next + strideOf<D>(), transpose1(a4, a5, a6, a7), fresh);
      finish<D, M>(next + 2 * strideOf<D>(), transpose2(a4, a5, a6, a7), fresh);
      finish<D, M>(next + 3 * strideOf<D>(), transpose3(a4, a5, a6, a7), fresh);
    }
    return;
  }
  finish<D, M>(out, a0, fresh);
  if (atLeast<N>(8)) finish<D, M>(out + 16, a1, fresh);
  if (atLeast<N>(16)) { finish<D, M>(out + 32, a2, fresh); finish<D, M>(out + 48, a3, fresh); }
  if (atLeast<N>(32)) {
    finish<D, M>(out + 64, a4, fresh); finish<D, M>(out + 80, a5, fresh);
    finish<D, M>(out + 96, a6, fresh); finish<D, M>(out + 112, a7, fresh);
  }
}

/** Folds one column. This is for the last one to three columns if the width is not a multiple of four. */
function foldColumn<D, M>(
  group: usize, from: usize, to: usize, column: usize, weights: usize, out: usize, fresh: bool,
): void {
  let acc: f32 = fresh ? (isMax<M>() ? -Infinity : 0) : load<f32>(out);
  const end = rowsOf(group, to);
  let tail = tailsOf(group, from);
  for (let r = rowsOf(group, from); r < end; r += 4, tail += 8) {
    const x = decodeColumn<D>(load<u32>(r), column, tail);
    if (isMax<M>()) acc = max<f32>(acc, x);
    else if (isWeighted<M>()) { acc += load<f32>(weights) * x; weights += 4; }
    else acc += x;
  }
  store<f32>(out, canonicalScalar(acc));
}

/** Folds every column of `dim`, in the widest blocks that fit. Arguments as for `foldBlock`. */
export function fold<D, M>(
  group: usize, from: usize, to: usize, dim: usize, weights: usize, out: usize, fresh: bool,
): void {
  let column: usize = 0;
  for (; column + 32 <= dim; column += 32) {
    foldBlock<D, M, Columns32>(group, from, to, column, weights, out + (column << 2), fresh);
  }
  if (column + 16 <= dim) {
    foldBlock<D, M, Columns16>(group, from, to, column, weights, out + (column << 2), fresh);
    column += 16;
  }
  if (column + 8 <= dim) {
    foldBlock<D, M, Columns8>(group, from, to, column, weights, out + (column << 2), fresh);
    column += 8;
  }
  if (column + 4 <= dim) {
    foldBlock<D, M, Columns4>(group, from, to, column, weights, out + (column << 2), fresh);
    column += 4;
  }
  for (; column < dim; column++) {
    foldColumn<D, M>(group, from, to, column, weights, out + (column << 2), fresh);
  }
}

/** Row `index` of a group as f32, with canonical NaN. This is a fold of one row, but it keeps −0. */
export function copyRow<D>(group: usize, index: usize, dim: usize, out: usize): void {
  const row = <usize>load<u32>(rowsOf(group, index)), tail = tailsOf(group, index);
  let column: usize = 0;
  if (isF32<D>()) {
    for (; column + 4 <= dim; column += 4) v128.store(out + (column << 2), canonical(v128.load(row + (column << 2))));
  } else if (isF16<D>()) {
    for (; column + 8 <= dim; column += 8) {
      const h = v128.load(row + (column << 1)), signs = signBits(group);
      v128.store(out + (column << 2), canonical(decodeHalves<D, MaxExact>(h, false, signs)));
      v128.store(out + (column << 2), canonical(decodeHalves<D, MaxExact>(h, true, signs)), 16);
    }
  } else {
    const scale = v128.load32_splat(tail), bias = v128.load32_splat(tail, 4), bits = nibbleBits(group);
    for (; column + 8 <= dim; column += 8) {
      const p = row + columnBytes<D>(column);
      const q = isInt8<D>() ? loadBytes<Columns8>(p) : loadNibbles<Columns8>(p, bits);
      const eight = i16x8.extend_low_i8x16_u(q);
      v128.store(out + (column << 2), canonical(dequantise(i32x4.extend_low_i16x8_u(eight), scale, bias)));
      v128.store(out + (column << 2), canonical(dequantise(i32x4.extend_high_i16x8_u(eight), scale, bias)), 16);
    }
  }
  for (; column < dim; column++) store<f32>(out + (column << 2), canonicalScalar(decodeColumn<D>(row, column, tail)));
}
