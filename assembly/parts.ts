// Divides the bags of a whole table into segments of about equally many keys, so that several threads can pool them.

import {
  ASK_SPLIT_KEYS, ASKED_BAG_NUMBERS, ASKED_FLAGS, ASKED_KEY_COUNT, ASKED_KEYS, ASKED_OFFSETS, ASKED_WEIGHTS,
  FEATURE_KEY_BYTES, FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_PARTS, FEATURE_SENT_BAGS, FEATURE_SENT_OFFSETS,
  FEATURE_WEIGHTS, TABLE_POOLED, TABLE_SHARDS,
} from '../src/kernel/ask-layout';
import { FLAG_PARTIAL } from '../src/wire/layout';
import { addSegment, setBags, take } from './ask';

/** Adds a segment for every ASK_SPLIT_KEYS keys or a little more. A bag is never divided. */
export function addParts(block: usize, feature: usize, table: usize): void {
  const most = load<u32>(block, ASK_SPLIT_KEYS), pooled = load<u32>(table, TABLE_POOLED);
  const keys = load<u32>(feature, FEATURE_KEY_COUNT), offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  const results = pooled ? load<u32>(feature, FEATURE_SENT_BAGS) : keys;
  store<u32>(feature, 1, FEATURE_PARTS);
  for (let first: u32 = 0; first < results;) {
    const begin = pooled ? load<u32>(offsets + (<usize>first << 2)) : first;
    let end = first + 1;
    if (!pooled) end = first + min(most, results - first);
    else while (end < results && load<u32>(offsets + (<usize>end << 2)) - begin < most) end++;
    addPart(block, feature, table, first, end, begin, pooled ? load<u32>(offsets + (<usize>end << 2)) : end);
    first = end;
  }
}

/** Adds a segment of results [first, end) with keys [begin, stop). */
function addPart(block: usize, feature: usize, table: usize, first: u32, end: u32, begin: u32, stop: u32): void {
  const segment = addSegment(block, feature, table, load<u32>(table, TABLE_SHARDS)), results = <usize>(end - first);
  const pooled = load<u32>(table, TABLE_POOLED), weights = load<u32>(feature, FEATURE_WEIGHTS);
  const numbers = take(block, results << 2), from = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS) + (<usize>first << 2);
  const offsets = pooled ? take(block, (results + 1) << 2) : 0;
  store<u32>(segment, load<u32>(segment, ASKED_FLAGS) | FLAG_PARTIAL, ASKED_FLAGS);
  store<u32>(segment, load<u32>(feature, FEATURE_KEYS) + begin * load<u32>(feature, FEATURE_KEY_BYTES), ASKED_KEYS);
  store<u32>(segment, weights ? weights + (begin << 2) : 0, ASKED_WEIGHTS);
  store<u32>(segment, stop - begin, ASKED_KEY_COUNT);
  store<u32>(segment, <u32>offsets, ASKED_OFFSETS);
  store<u32>(segment, <u32>numbers, ASKED_BAG_NUMBERS);
  for (let i: usize = 0; i < results; i++) store<u32>(numbers + (i << 2), first + <u32>i);
  if (pooled) {
    for (let i: usize = 0; i <= results; i++) store<u32>(offsets + (i << 2), load<u32>(from + (i << 2)) - begin);
  }
  setBags(segment, pooled ? <u32>results : 0);
}
