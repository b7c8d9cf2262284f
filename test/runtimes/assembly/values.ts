// Draws values for rows and weights by their bits, so that they do not depend on arithmetic.
import { F16, F32, INT8 } from '../../../src/kernel/layout';
import { below, next, once } from './random';

export const PLAIN = 0, SPECIAL = 1, ZEROS = 2;

function specialF32(): u32 {
  switch (below(10)) {
    case 0: return 0x7fc00000; // NaN
    case 1: return 0xffc12345; // NaN with a sign and a payload
    case 2: return 0x7f800000;
    case 3: return 0xff800000;
    case 4: return 0x80000000;
    case 5: return 0;
    case 6: return 1; // subnormal
    case 7: return 0x80011170;
    case 8: return 0x7f7fc99e; // 3.4e38
    default: return 0xff7fc99e;
  }
}

export function drawF32(values: u32): u32 {
  const sign = next() & 0x80000000;
  if (values == SPECIAL && once(4)) return specialF32();
  if (values == ZEROS && !once(3)) return sign;
  // ± 2^-10 … 2^10.
  return sign | ((117 + below(20)) << 23) | (next() & 0x7fffff);
}

export function drawF16(values: u32): u32 {
  const bits = next() & 0xffff;
  if (values == ZEROS && !once(3)) return bits & 0x8000;
  if (values == SPECIAL && once(4)) return bits | 0x7c00;
  return (bits & 0x7c00) == 0x7c00 ? bits & 0x83ff : bits;
}

/** One row of `bytes` bytes. */
export function drawRow(at: usize, bytes: u32, dtype: u32, dim: u32, values: u32): void {
  if (dtype == F32) for (let i: u32 = 0; i < dim; i++) store<u32>(at + (i << 2), drawF32(values));
  else if (dtype == F16) for (let i: u32 = 0; i < dim; i++) store<u16>(at + (i << 1), <u16>drawF16(values));
  else {
    for (let i: u32 = 0; i < bytes; i++) store<u8>(at + i, <u8>next());
    // Scale and bias.
    const tail = at + (dtype == INT8 ? dim : (dim + 1) >> 1);
    if (dtype == INT8) {
      store<u32>(tail, drawF32(values));
      store<u32>(tail, drawF32(values), 4);
    } else {
      store<u16>(tail, <u16>drawF16(values));
      store<u16>(tail, <u16>drawF16(values), 2);
    }
  }
}

export function rowBytes(dtype: u32, dim: u32): u32 {
  if (dtype == F32) return dim << 2;
  if (dtype == F16) return dim << 1;
  return dtype == INT8 ? dim + 8 : ((dim + 1) >> 1) + 4;
}
