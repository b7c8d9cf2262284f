// Rows on their way in: f32, f16 or bf16 become rows of a table, in PyTorch's layouts, byte for byte.

import { BF16, F16, F32, INT4, INT8, NONE } from '../src/kernel/layout';
import { half, rowBytesOf } from './rows';

/**
 * Encodes `rows` rows of `dim` columns from `source` (F32, F16 or BF16, packed) to `out` in `dtype`.
 * @returns NONE, or the first row that cannot be quantised because its range is not finite
 */
export function encodeRows(source: usize, sourceDtype: u32, rows: u32, dim: u32, dtype: u32, out: usize): u32 {
  const stride = <usize>rowBytesOf(dtype, dim), sourceStride = <usize>rowBytesOf(sourceDtype, dim);
  for (let row: u32 = 0; row < rows; row++) {
    if (dtype == INT8) { if (!encodeInt8(source, sourceDtype, dim, out)) return row; }
    else if (dtype == INT4) { if (!encodeInt4(source, sourceDtype, dim, out)) return row; }
    else if (dtype == F16) encodeF16(source, sourceDtype, dim, out);
    else for (let c: u32 = 0; c < dim; c++) store<f32>(out + (<usize>c << 2), value(source, sourceDtype, c));
    source += sourceStride;
    out += stride;
  }
  return NONE;
}

@inline function value(row: usize, dtype: u32, column: u32): f32 {
  if (dtype == F32) return load<f32>(row + (<usize>column << 2));
  if (dtype == F16) return half(load<i16>(row + (<usize>column << 1)));
  return reinterpret<f32>(<u32>load<u16>(row + (<usize>column << 1)) << 16);
}

function encodeF16(row: usize, dtype: u32, dim: u32, out: usize): void {
  for (let c: u32 = 0; c < dim; c++) store<u16>(out + (<usize>c << 1), toHalf(value(row, dtype, c)));
}

/** scale = range / 255 and bias = min, as f32; q = round((x − min) · 255 / (range + 1e-8)), to even. */
function encodeInt8(row: usize, dtype: u32, dim: u32, out: usize): bool {
  const low = lowest(row, dtype, dim), range = highest(row, dtype, dim) - low;
  if (!isFinite<f32>(range)) return false;
  const inverse: f32 = 255 / (range + <f32>1e-8);
  for (let c: u32 = 0; c < dim; c++) store<u8>(out + c, <u8>nearest<f32>((value(row, dtype, c) - low) * inverse));
  store<f32>(out + dim, range / 255);
  store<f32>(out + dim, low, 4);
  return true;
}

/** scale and bias are rounded to f16 first; a scale that f16 cannot hold, or whose inverse overflows, is 1. */
function encodeInt4(row: usize, dtype: u32, dim: u32, out: usize): bool {
  const lowHalf = toHalf(lowest(row, dtype, dim)), low = half(lowHalf);
  const range = highest(row, dtype, dim) - low;
  let scaleHalf = toHalf(range == 0 ? 1 : range / 15);
  if (!isFinite<f32>(low) || !isFinite<f32>(half(scaleHalf))) return false;
  if (half(scaleHalf) == 0) scaleHalf = toHalf(1);
  const inverse = <f32>1 / half(scaleHalf), tail = (dim + 1) >> 1;
  memory.fill(out, 0, tail);
  for (let c: u32 = 0; c < dim; c++) {
    const q = <u8>min<f32>(15, max<f32>(0, nearest<f32>((value(row, dtype, c) - low) * inverse)));
    const at = out + (c >> 1);
    store<u8>(at, load<u8>(at) | (q << <u8>((c & 1) << 2)));
  }
  store<u16>(out + tail, scaleHalf);
  store<u16>(out + tail, lowHalf, 2);
  return true;
}

function lowest(row: usize, dtype: u32, dim: u32): f32 {
  let low: f32 = Infinity;
  for (let c: u32 = 0; c < dim; c++) low = min<f32>(low, value(row, dtype, c));
  return low;
}

function highest(row: usize, dtype: u32, dim: u32): f32 {
  let high: f32 = -Infinity;
  for (let c: u32 = 0; c < dim; c++) high = max<f32>(high, value(row, dtype, c));
  return high;
}

/** f32 to f16, to nearest even; too large becomes Inf. */
function toHalf(x: f32): u16 {
  const bits = reinterpret<u32>(x), sign = (bits >> 16) & 0x8000;
  let rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return <u16>(sign | 0x7e00);
  if (rest >= 0x477ff000) return <u16>(sign | 0x7c00);
  // Added to 0.5, whose last bit is worth 2^-24, a subnormal half is rounded by the adder.
  if (rest < 0x38800000) return <u16>(sign | (reinterpret<u32>(reinterpret<f32>(rest) + <f32>0.5) - 0x3f000000));
  rest += 0xc8000fff + ((rest >> 13) & 1);
  return <u16>(sign | (rest >> 13));
}

/** Whether every value of the rows is finite: then the faster folds give the same bits. */
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
  // No early exit: the common answer is yes, and a branchless loop is what vectorises by hand.
  for (; at + 16 <= end; at += 16) {
    const words = v128.and(v128.load(at), v128.splat<W>(exponent));
    finite = finite && !v128.any_true(v128.eq<W>(words, v128.splat<W>(exponent)));
  }
  for (; at < end; at += sizeof<W>()) finite = finite && (load<W>(at) & exponent) != exponent;
  return finite;
}
