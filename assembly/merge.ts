// Merging: the partials of one bag from several shards, in shard order, divided once.

import {
  MAX, MERGE_BAGS, MERGE_COUNTS, MERGE_DENOMINATORS, MERGE_DIM, MERGE_MODE, MERGE_OUT, MERGE_OUT_COUNTS,
  MERGE_PARTIALS, MERGE_SHARDS,
} from '../src/kernel/layout';
import { endBag, hasDenominator } from './divide';
import { canonical, canonicalScalar } from './rows';

/** Merges every bag of a merge block (layout.ts). `out` may be where the first shard's partials lie. */
export function merge(call: usize): void {
  const shards = load<u32>(call, MERGE_SHARDS), bags = load<u32>(call, MERGE_BAGS), dim = load<u32>(call, MERGE_DIM);
  const mode = load<u32>(call, MERGE_MODE), denominators = <usize>load<u32>(call, MERGE_DENOMINATORS);
  const partials = <usize>load<u32>(call, MERGE_PARTIALS), counts = <usize>load<u32>(call, MERGE_COUNTS);
  const rowBytes = <usize>dim << 2, denominated = hasDenominator(mode, denominators != 0);
  for (let bag: u32 = 0; bag < bags; bag++) {
    const out = load<u32>(call, MERGE_OUT) + bag * rowBytes;
    let count: u32 = 0, denominator: f32 = 0;
    for (let shard: u32 = 0; shard < shards; shard++) {
      const segment = <usize>shard * bags + bag, segmentCount = load<u32>(counts + (segment << 2));
      // An empty segment is skipped, not merged as 0: 0 would win a max of negatives.
      if (segmentCount == 0) continue;
      const partial = partials + segment * rowBytes;
      if (count == 0) memory.copy(out, partial, rowBytes);
      else if (mode == MAX) joinMax(out, partial, dim);
      else joinSum(out, partial, dim);
      count += segmentCount;
      if (denominated) denominator = canonicalScalar(denominator + load<f32>(denominators + (segment << 2)));
    }
    store<u32>(load<u32>(call, MERGE_OUT_COUNTS) + (<usize>bag << 2), count);
    endBag(out, dim, mode, denominated, count, denominator);
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
