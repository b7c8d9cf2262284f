// Makes tables, keys and weights. They are the same on every run.
import { type DType, rowBytes } from '../src/kernel/dtype.ts';
import type { Arena } from './arena.ts';

export type Quantised = Exclude<DType, 'f32'>;

/** Uniform u32 values by xorshift32, from a fixed seed. */
export function randomWords(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** A bijection on u32 that destroys all order (fmix32 of MurmurHash3). */
export function mix32(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Fills an array with f32 values in [−1, 1). */
export function fillFloats(to: Float32Array, seed: number): void {
  const next = randomWords(seed);
  for (let i = 0; i < to.length; i++) to[i] = ((next() >>> 8) - 0x80_0000) / 0x80_0000;
}

/** Fills `rows` quantised rows with finite values. */
export function fillQuantised(
  arena: Arena,
  table: number,
  dtype: Quantised,
  dim: number,
  rows: number,
): void {
  const bytes = rowBytes(dtype, dim);
  const words = arena.u32.subarray(table / 4, (table + rows * bytes) / 4);
  const next = randomWords(2);
  // Two f16 values per word: a sign, an exponent of 2^-7 … 2^0, and ten bits of fraction.
  const [mask, exponent] = dtype === 'f16' ? [0x9fff_9fff, 0x2000_2000] : [0xffff_ffff, 0];
  for (let i = 0; i < words.length; i++) words[i] = (next() & mask) | exponent;
  if (dtype !== 'f16') fillScales(arena, table, dtype, dim, rows);
}

/** Writes the scale and bias of each quantised row. The values are then in about [−1, 3). */
function fillScales(arena: Arena, table: number, dtype: 'int8' | 'int4', dim: number, rows: number): void {
  const bytes = rowBytes(dtype, dim);
  const view = new DataView(arena.memory.buffer, table, rows * bytes);
  for (let row = 0; row < rows; row++) {
    const wobble = (row % 61) / 61;
    const end = (row + 1) * bytes;
    if (dtype === 'int8') {
      view.setFloat32(end - 8, (1 + wobble) / 128, true);
      view.setFloat32(end - 4, -wobble, true);
    } else {
      view.setFloat16(end - 4, (1 + wobble) / 8, true);
      view.setFloat16(end - 2, -wobble, true);
    }
  }
}

/**
 * A source of random row numbers: uniform, or Zipf-distributed with exponent `skew`. Frequent rows are scattered over
 * the table.
 */
export function rowSource(rows: number, skew: number | undefined, seed: number): () => number {
  const next = randomWords(seed);
  if (skew === undefined) return () => Math.floor((next() / 2 ** 32) * rows);
  const cumulated = new Float64Array(rows);
  let total = 0;
  for (let rank = 0; rank < rows; rank++) cumulated[rank] = total += (rank + 1) ** -skew;
  const rowOfRank = shuffled(rows, seed + 1);
  return () => rowOfRank[rankAt(cumulated, (next() / 2 ** 32) * total)];
}

function rankAt(cumulated: Float64Array, point: number): number {
  let low = 0;
  let high = cumulated.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulated[middle] < point) low = middle + 1;
    else high = middle;
  }
  return low;
}

function shuffled(n: number, seed: number): Uint32Array {
  const next = randomWords(seed);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = next() % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Writes sparse id number `i` as two words at `at`. The ids are u64 without order, all different for i < 2^32. */
export function writeSparseKey(u32: Uint32Array, at: number, i: number): void {
  u32[at] = mix32(i);
  u32[at + 1] = mix32(i ^ 0x9e37_79b9);
}
