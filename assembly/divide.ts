// The end of a bag: its sum is divided, once.

import { MAX, MEAN, SUM } from '../src/kernel/layout';
import { canonical, canonicalScalar } from './rows';

/** What one weight adds to a bag's denominator. */
@inline export function denominatorTerm(mode: u32, weight: f32): f32 {
  return mode == MEAN ? weight : weight * weight;
}

/** Whether a bag of this mode carries a denominator beside its count. */
@inline export function hasDenominator(mode: u32, weighted: bool): bool {
  return weighted && mode != SUM && mode != MAX;
}

/** Mean and sqrtn divide. An empty bag becomes 0, and so does a bag whose divisor is 0. */
export function endBag(out: usize, dim: u32, mode: u32, weighted: bool, count: u32, denominator: f32): void {
  if (count == 0) return memory.fill(out, 0, dim << 2);
  if (mode == SUM || mode == MAX) return;
  let divisor = weighted ? denominator : <f32>count;
  if (mode != MEAN) divisor = sqrt<f32>(divisor);
  if (divisor == 0) return memory.fill(out, 0, dim << 2);
  const vectors = out + (<usize>(dim & ~3) << 2), end = out + (<usize>dim << 2);
  for (; out < vectors; out += 16) {
    v128.store(out, canonical(f32x4.div(v128.load(out), f32x4.splat(divisor))));
  }
  for (; out < end; out += 4) store<f32>(out, canonicalScalar(load<f32>(out) / divisor));
}
