// Merging: joins one shard's partials of some bags to the results of earlier shards. At the end, it divides once.

import {
  MAX, MERGE_BAG_NUMBERS, MERGE_BAGS, MERGE_COUNTS, MERGE_DENOMINATORS, MERGE_DIM, MERGE_MODE, MERGE_OUT,
  MERGE_OUT_COUNTS, MERGE_OUT_DENOMINATORS, MERGE_PARTIALS,
} from '../src/kernel/layout';
import { endBag, hasDenominator } from './divide';
import { canonical, canonicalScalar } from './rows';

/** Joins every partial of a merge block (layout.ts) to its bag. It is called for each shard, in shard order. */
export function merge(call: usize): void {
  const bags = load<u32>(call, MERGE_BAGS), dim = load<u32>(call, MERGE_DIM), mode = load<u32>(call, MERGE_MODE);
  const denominators = <usize>load<u32>(call, MERGE_DENOMINATORS), numbers = <usize>load<u32>(call, MERGE_BAG_NUMBERS);
  const partials = <usize>load<u32>(call, MERGE_PARTIALS), counts = <usize>load<u32>(call, MERGE_COUNTS);
  const outCounts = <usize>load<u32>(call, MERGE_OUT_COUNTS);
  const outDenominators = <usize>load<u32>(call, MERGE_OUT_DENOMINATORS);
  const rowBytes = <usize>dim << 2, denominated = hasDenominator(mode, denominators != 0);
  for (let i: usize = 0; i < bags; i++) {
    const count = load<u32>(counts + (i << 2));
    // An empty segment is skipped, not merged as 0, because 0 would win a maximum of negative values.
    if (count == 0) continue;
    const bag: usize = numbers ? load<u32>(numbers + (i << 2)) : i;
    const out = load<u32>(call, MERGE_OUT) + bag * rowBytes, partial = partials + i * rowBytes;
    const before = load<u32>(outCounts + (bag << 2));
    if (before == 0) memory.copy(out, partial, rowBytes);
    else if (mode == MAX) joinMax(out, partial, dim);
    else joinSum(out, partial, dim);
    store<u32>(outCounts + (bag << 2), before + count);
    if (!denominated) continue;
    const sum = before == 0 ? <f32>0 : load<f32>(outDenominators + (bag << 2));
    store<f32>(outDenominators + (bag << 2), canonicalScalar(sum + load<f32>(denominators + (i << 2))));
  }
}

/** Ends BAGS bags of a merge block: empty ones become 0, mean and sqrtn divide. */
export function divide(call: usize): void {
  const bags = load<u32>(call, MERGE_BAGS), dim = load<u32>(call, MERGE_DIM), mode = load<u32>(call, MERGE_MODE);
  const counts = <usize>load<u32>(call, MERGE_OUT_COUNTS);
  const denominators = <usize>load<u32>(call, MERGE_OUT_DENOMINATORS);
  const denominated = hasDenominator(mode, denominators != 0);
  let out = <usize>load<u32>(call, MERGE_OUT);
  for (let bag: usize = 0; bag < bags; bag++, out += <usize>dim << 2) {
    const denominator = denominated ? load<f32>(denominators + (bag << 2)) : 0;
    endBag(out, dim, mode, denominated, load<u32>(counts + (bag << 2)), denominator);
  }
}

function joinSum(out: usize, partial: usize, dim: usize): void {
  const vectors = out + ((dim & ~3) << 2), end = out + (dim << 2);
  for (; out < vectors; out += 16, partial += 16) {
    v128.store(out, canonical(f32x4.add(v128.load(out), v128.load(partial))));
  }
  for (; out < end; out += 4, partial += 4) store<f32>(out, canonicalScalar(load<f32>(out) + load<f32>(partial)));
}

function joinMax(out: usize, partial: usize, dim: usize): void {
  const vectors = out + ((dim & ~3) << 2), end = out + (dim << 2);
  for (; out < vectors; out += 16, partial += 16) {
    v128.store(out, canonical(f32x4.max(v128.load(out), v128.load(partial))));
  }
  for (; out < end; out += 4, partial += 4) {
    store<f32>(out, canonicalScalar(max<f32>(load<f32>(out), load<f32>(partial))));
  }
}
