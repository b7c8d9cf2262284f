// Pooling: turns bags of keys into one f32 vector per bag. The order of all operations is that of docs/numerics.md.

import {
  BAD_OFFSETS, CALL_BAG, CALL_BAG_END, CALL_COUNTS, CALL_DENOMINATORS, CALL_DIM, CALL_DTYPE, CALL_ERROR_POSITION,
  CALL_FINITE, CALL_KEPT, CALL_KEY, CALL_KEY_COUNT, CALL_MODE, CALL_OFFSETS, CALL_OUT, CALL_PARTIAL, CALL_WEIGHTS,
  DONE, GROUP_BAGS, MAX, MORE,
} from '../src/kernel/layout';
import { denominatorTerm, endBag, hasDenominator } from './divide';
import { fold } from './fold';
import { groupKeysOf, openRows } from './group';
import {
  canonicalScalar, F16FiniteRows, F16Rows, F32Rows, Int4Rows, Int8Rows, MaxExact, MaxFinite, Sum, Weighted,
} from './rows';
import { groupOf, keptBefore, openScratch, weightsOf } from './scratch';

/**
 * Pools the bags of a call block (layout.ts), starting at the progress that the block records.
 * @param budget keys, or bags if there are more bags, to handle before returning MORE; it keeps the thread responsive
 * @returns DONE, MORE, BAD_KEY or BAD_OFFSETS
 */
export function pool(call: usize, budget: u32): i32 {
  const offsets = <usize>load<u32>(call, CALL_OFFSETS);
  const bagEnd = load<u32>(call, CALL_BAG_END);
  const keyEnd = load<u32>(offsets + (<usize>bagEnd << 2));
  if (keyEnd > load<u32>(call, CALL_KEY_COUNT)) return badOffsets(call, bagEnd);
  const groupKeys = groupKeysOf(call);
  openScratch(call);
  for (let left = budget; load<u32>(call, CALL_BAG) < bagEnd;) {
    if (left == 0) return MORE;
    const first = load<u32>(call, CALL_KEY);
    if (first > keyEnd) return badOffsets(call, load<u32>(call, CALL_BAG));
    const count = min<u32>(min<u32>(groupKeys, left), keyEnd - first);
    const bag = load<u32>(call, CALL_BAG), status = poolGroup(call, first, count, keyEnd, min<u32>(GROUP_BAGS, left));
    if (status != DONE) return status;
    // Bags without keys count too, because they are written.
    left -= min<u32>(left, max<u32>(max<u32>(1, count), load<u32>(call, CALL_BAG) - bag));
  }
  return DONE;
}

function badOffsets(call: usize, bag: u32): i32 {
  store<u32>(call, bag, CALL_ERROR_POSITION);
  return BAD_OFFSETS;
}

/** Pools `count` keys from key `first`: the end of one bag, whole bags, the start of another, but at most `bagsMax`. */
function poolGroup(call: usize, first: u32, count: u32, keyEnd: u32, bagsMax: u32): i32 {
  const status = openRows(call, first, count);
  if (status != DONE) return status;
  const group = groupOf(call), end = first + count, plain = load<u32>(call, CALL_KEPT) == count;
  const weights = load<u32>(call, CALL_WEIGHTS);
  // If all rows are kept, the caller's weights are used in place.
  const groupWeights = plain ? weights + (<usize>first << 2) : weightsOf(group);
  const offsets = <usize>load<u32>(call, CALL_OFFSETS), counts = <usize>load<u32>(call, CALL_COUNTS);
  const denominators = <usize>load<u32>(call, CALL_DENOMINATORS);
  const dim = load<u32>(call, CALL_DIM), mode = load<u32>(call, CALL_MODE), kind = foldKind(call);
  const divided = !load<u32>(call, CALL_PARTIAL), denominated = hasDenominator(mode, weights != 0);
  const bagEnd = load<u32>(call, CALL_BAG_END);
  let bag = load<u32>(call, CALL_BAG), key = first, out = load<u32>(call, CALL_OUT) + <usize>bag * (dim << 2);
  for (let bags: u32 = 0; bag < bagEnd && bags < bagsMax; bags++) {
    const bagStart = load<u32>(offsets + (<usize>bag << 2)), bagStop = load<u32>(offsets + (<usize>bag << 2), 4);
    if (bagStop < key || bagStart > key || bagStop > keyEnd) return badOffsets(call, bag);
    const stop = min(bagStop, end);
    const from = plain ? key - first : keptBefore(group, key - first);
    const to = plain ? stop - first : keptBefore(group, stop - first);
    let count: u32 = 0, denominator: f32 = 0;
    if (key > bagStart) {
      count = load<u32>(counts + (<usize>bag << 2));
      if (denominated) denominator = load<f32>(denominators + (<usize>bag << 2));
    }
    if (to > from) {
      const w = groupWeights + (<usize>from << 2);
      foldRows(kind, group, from, to, dim, w, out, count == 0);
      count += to - from;
      if (denominated) {
        for (let i = w; i < groupWeights + (<usize>to << 2); i += 4) denominator += denominatorTerm(mode, load<f32>(i));
      }
    }
    store<u32>(counts + (<usize>bag << 2), count);
    if (denominated) store<f32>(denominators + (<usize>bag << 2), canonicalScalar(denominator));
    key = stop;
    if (stop < bagStop) break;
    if (divided) endBag(out, dim, mode, weights != 0, count, denominator);
    else if (count == 0) memory.fill(out, 0, dim << 2);
    bag++;
    out += <usize>dim << 2;
  }
  store<u32>(call, bag, CALL_BAG);
  store<u32>(call, key, CALL_KEY);
  return DONE;
}

/** The fold that a call needs: bits 0–1 dtype, bit 2 finite, bits 3–4 sum, weighted sum or max. */
@inline function foldKind(call: usize): u32 {
  const entry = load<u32>(call, CALL_MODE) == MAX ? 2 : load<u32>(call, CALL_WEIGHTS) ? 1 : 0;
  return load<u32>(call, CALL_DTYPE) | (load<u32>(call, CALL_FINITE) << 2) | (entry << 3);
}

function foldRows(
  kind: u32, group: usize, from: usize, to: usize, dim: usize, weights: usize, out: usize, fresh: bool,
): void {
  switch (kind) {
    case 0: case 4: return fold<F32Rows, Sum>(group, from, to, dim, weights, out, fresh);
    case 1: return fold<F16Rows, Sum>(group, from, to, dim, weights, out, fresh);
    case 5: return fold<F16FiniteRows, Sum>(group, from, to, dim, weights, out, fresh);
    case 2: case 6: return fold<Int8Rows, Sum>(group, from, to, dim, weights, out, fresh);
    case 3: case 7: return fold<Int4Rows, Sum>(group, from, to, dim, weights, out, fresh);
    case 8: case 12: return fold<F32Rows, Weighted>(group, from, to, dim, weights, out, fresh);
    case 9: return fold<F16Rows, Weighted>(group, from, to, dim, weights, out, fresh);
    case 13: return fold<F16FiniteRows, Weighted>(group, from, to, dim, weights, out, fresh);
    case 10: case 14: return fold<Int8Rows, Weighted>(group, from, to, dim, weights, out, fresh);
    case 11: case 15: return fold<Int4Rows, Weighted>(group, from, to, dim, weights, out, fresh);
    case 16: return fold<F32Rows, MaxExact>(group, from, to, dim, weights, out, fresh);
    case 17: return fold<F16Rows, MaxExact>(group, from, to, dim, weights, out, fresh);
    case 18: return fold<Int8Rows, MaxExact>(group, from, to, dim, weights, out, fresh);
    case 19: return fold<Int4Rows, MaxExact>(group, from, to, dim, weights, out, fresh);
    case 20: return fold<F32Rows, MaxFinite>(group, from, to, dim, weights, out, fresh);
    case 21: return fold<F16FiniteRows, MaxFinite>(group, from, to, dim, weights, out, fresh);
    case 22: return fold<Int8Rows, MaxFinite>(group, from, to, dim, weights, out, fresh);
    default: return fold<Int4Rows, MaxFinite>(group, from, to, dim, weights, out, fresh);
  }
}
