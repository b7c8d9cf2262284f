// Folding: the rows of one bag, listed as addresses, into one f32 vector, in order, a block of columns at a time.
//
// What makes a block fast: its row loop is alone in its function, takes one row a turn and keeps eight v128
// accumulators. V8 unrolls smaller or deeper loops and then moves all loads before the adds, which spills.

import {
  biasOf, canonical, canonicalScalar, columnBytes, decodeColumn, decodeHalves, dequantise, F16Rows, isF16, isF32,
  isInt4, isInt8, isMax, isMaxFinite, isScaled, isWeighted, MaxExact, scaleDown, scaleOf, scaleUp, spreadNibbles,
} from './rows';

// Block widths as types: a type of n bytes stands for 4n columns.
type Columns32 = u64;
type Columns16 = u32;
type Columns8 = u16;
type Columns4 = u8;

@inline function atLeast<N>(columns: i32): bool { return <i32>sizeof<N>() * 4 >= columns; }

/** One vector joins the fold. */
@inline function join<M>(acc: v128, x: v128, weight: v128): v128 {
  if (isWeighted<M>()) return f32x4.add(acc, f32x4.mul(weight, x));
  if (isMaxFinite<M>()) return f32x4.pmax(acc, x);
  if (isMax<M>()) return f32x4.max(acc, x);
  return f32x4.add(acc, x);
}

/** What a fold starts from: nothing, or what an earlier part of the bag left in `out`. */
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

/** pmax keeps whichever zero came first: a −0 in its result may hide a +0. */
@inline function hasNegativeZero(acc: v128): bool {
  return v128.any_true(i32x4.eq(acc, i32x4.splat(0x80000000)));
}

/**
 * Folds one block of columns over the rows whose addresses lie in [rows, end).
 * @param column first column of the block (even) · @param tail bytes from a row's start to its scale
 * @param weights one f32 a row (Weighted) · @param out where the block's first column goes
 * @param fresh the bag starts here; otherwise the fold goes on from `out`
 */
function foldBlock<D, M, N>(
  rows: usize, end: usize, column: usize, tail: usize, weights: usize, out: usize, fresh: bool,
): void {
  let a0 = start<D, M>(out, fresh);
  let a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  if (!isMax<M>() && !fresh) {
    if (atLeast<N>(8)) a1 = start<D, M>(out + 16, fresh);
    if (atLeast<N>(16)) { a2 = start<D, M>(out + 32, fresh); a3 = start<D, M>(out + 48, fresh); }
    if (atLeast<N>(32)) {
      a4 = start<D, M>(out + 64, fresh); a5 = start<D, M>(out + 80, fresh);
      a6 = start<D, M>(out + 96, fresh); a7 = start<D, M>(out + 112, fresh);
    }
  }
  const offset = columnBytes<D>(column);
  let weight = f32x4.splat(1);
  for (let r = rows; r < end; r += 4) {
    const row = <usize>load<u32>(r);
    const p = row + offset;
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
      a0 = join<M>(a0, decodeHalves<D, M>(h, false), weight);
      if (atLeast<N>(8)) a1 = join<M>(a1, decodeHalves<D, M>(h, true), weight);
      if (atLeast<N>(16)) {
        h = v128.load(p, 16);
        a2 = join<M>(a2, decodeHalves<D, M>(h, false), weight); a3 = join<M>(a3, decodeHalves<D, M>(h, true), weight);
      }
      if (atLeast<N>(32)) {
        h = v128.load(p, 32);
        a4 = join<M>(a4, decodeHalves<D, M>(h, false), weight); a5 = join<M>(a5, decodeHalves<D, M>(h, true), weight);
        h = v128.load(p, 48);
        a6 = join<M>(a6, decodeHalves<D, M>(h, false), weight); a7 = join<M>(a7, decodeHalves<D, M>(h, true), weight);
      }
    } else {
      const scale = f32x4.splat(scaleOf<D>(row, tail));
      const bias = f32x4.splat(biasOf<D>(row, tail));
      let q: v128;
      if (isInt4<D>()) {
        q = atLeast<N>(16) ? v128.load64_zero(p) : atLeast<N>(8) ? v128.load32_zero(p) : i16x8.splat(load<i16>(p));
        q = spreadNibbles(q);
      } else {
        q = atLeast<N>(16) ? v128.load(p) : atLeast<N>(8) ? v128.load64_zero(p) : v128.load32_zero(p);
      }
      a0 = join<M>(a0, dequantise(q, 0, scale, bias), weight);
      if (atLeast<N>(8)) a1 = join<M>(a1, dequantise(q, 1, scale, bias), weight);
      if (atLeast<N>(16)) {
        a2 = join<M>(a2, dequantise(q, 2, scale, bias), weight); a3 = join<M>(a3, dequantise(q, 3, scale, bias), weight);
      }
      if (atLeast<N>(32)) {
        q = isInt4<D>() ? spreadNibbles(v128.load64_zero(p, 8)) : v128.load(p, 16);
        a4 = join<M>(a4, dequantise(q, 0, scale, bias), weight); a5 = join<M>(a5, dequantise(q, 1, scale, bias), weight);
        a6 = join<M>(a6, dequantise(q, 2, scale, bias), weight); a7 = join<M>(a7, dequantise(q, 3, scale, bias), weight);
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
      if (isF16<D>()) foldBlock<F16Rows, MaxExact, N>(rows, end, column, tail, weights, out, fresh);
      else foldBlock<D, MaxExact, N>(rows, end, column, tail, weights, out, fresh);
      return;
    }
  }
  finish<D, M>(out, a0, fresh);
  if (atLeast<N>(8)) finish<D, M>(out + 16, a1, fresh);
  if (atLeast<N>(16)) { finish<D, M>(out + 32, a2, fresh); finish<D, M>(out + 48, a3, fresh); }
  if (atLeast<N>(32)) {
    finish<D, M>(out + 64, a4, fresh); finish<D, M>(out + 80, a5, fresh);
    finish<D, M>(out + 96, a6, fresh); finish<D, M>(out + 112, a7, fresh);
  }
}

/** One column, for the last one to three of a width that four does not divide. */
function foldColumn<D, M>(
  rows: usize, end: usize, column: usize, tail: usize, weights: usize, out: usize, fresh: bool,
): void {
  let acc: f32 = fresh ? (isMax<M>() ? -Infinity : 0) : load<f32>(out);
  for (let r = rows; r < end; r += 4) {
    const x = decodeColumn<D>(load<u32>(r), column, tail);
    if (isMax<M>()) acc = max<f32>(acc, x);
    else if (isWeighted<M>()) { acc += load<f32>(weights) * x; weights += 4; }
    else acc += x;
  }
  store<f32>(out, canonicalScalar(acc));
}

/** Folds whole rows: every column of `dim`, in the widest blocks that fit. Arguments as for `foldBlock`. */
export function fold<D, M>(
  rows: usize, end: usize, dim: usize, weights: usize, out: usize, fresh: bool,
): void {
  const tail = isInt8<D>() ? dim : (dim + 1) >> 1;
  let column: usize = 0;
  for (; column + 32 <= dim; column += 32) {
    foldBlock<D, M, Columns32>(rows, end, column, tail, weights, out + (column << 2), fresh);
  }
  if (column + 16 <= dim) {
    foldBlock<D, M, Columns16>(rows, end, column, tail, weights, out + (column << 2), fresh);
    column += 16;
  }
  if (column + 8 <= dim) {
    foldBlock<D, M, Columns8>(rows, end, column, tail, weights, out + (column << 2), fresh);
    column += 8;
  }
  if (column + 4 <= dim) {
    foldBlock<D, M, Columns4>(rows, end, column, tail, weights, out + (column << 2), fresh);
    column += 4;
  }
  for (; column < dim; column++) {
    foldColumn<D, M>(rows, end, column, tail, weights, out + (column << 2), fresh);
  }
}

/** One row as f32, NaN made canonical: a fold of one, but one that keeps −0. */
export function copyRow<D>(row: usize, dim: usize, out: usize): void {
  const tail = isInt8<D>() ? dim : (dim + 1) >> 1;
  let column: usize = 0;
  if (isF32<D>()) {
    for (; column + 4 <= dim; column += 4) v128.store(out + (column << 2), canonical(v128.load(row + (column << 2))));
  } else if (isF16<D>()) {
    for (; column + 8 <= dim; column += 8) {
      const h = v128.load(row + (column << 1));
      v128.store(out + (column << 2), canonical(decodeHalves<D, MaxExact>(h, false)));
      v128.store(out + (column << 2), canonical(decodeHalves<D, MaxExact>(h, true)), 16);
    }
  } else {
    const scale = f32x4.splat(scaleOf<D>(row, tail)), bias = f32x4.splat(biasOf<D>(row, tail));
    for (; column + 16 <= dim; column += 16) {
      const q = isInt4<D>() ? spreadNibbles(v128.load64_zero(row + (column >> 1))) : v128.load(row + column);
      const target = out + (column << 2);
      v128.store(target, canonical(dequantise(q, 0, scale, bias)));
      v128.store(target, canonical(dequantise(q, 1, scale, bias)), 16);
      v128.store(target, canonical(dequantise(q, 2, scale, bias)), 32);
      v128.store(target, canonical(dequantise(q, 3, scale, bias)), 48);
    }
  }
  for (; column < dim; column++) store<f32>(out + (column << 2), canonicalScalar(decodeColumn<D>(row, column, tail)));
}
