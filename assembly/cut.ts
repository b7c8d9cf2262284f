// Cuts the bags of a feature at the edges of the shards. A segment has those keys of each bag that one shard holds, in
// bag order. The keys are counted first, so that each segment then has exactly the memory that it needs.

import {
  ASK_AT, ASK_BAG, ASK_CHOOSE, ASK_SCATTER, ASK_WORK, ASKED_BAG_NUMBERS, ASKED_KEY_COUNT, ASKED_KEYS, ASKED_OFFSETS,
  ASKED_WEIGHTS, FEATURE_HITS, FEATURE_KEY_BYTES, FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_SENT_NUMBERS, FEATURE_SENT_OFFSETS,
  FEATURE_WEIGHTS, PLACE_BYTES,
  PLACE_LAST, TABLE_INDEXED, TABLE_POOLED, TABLE_SHARD_COUNT, TABLE_SHARDS,
} from '../src/kernel/ask-layout';
import { addSegment, enter, setBags, take } from './ask';
import { hash } from './hash';

// What a cut notes of each shard: its keys so far, its bags so far, the last of them + 1, and its segment.
const CUT_KEYS = 0;
const CUT_BAGS = 4;
const CUT_LAST_BAG = 8;
const CUT_SEGMENT = 12;
/** Bytes of it: ASK_WORK has this for every shard of a table. */
const CUT_BYTES = 16;

@inline function cutOf(block: usize, shard: u32): usize {
  return <usize>load<u32>(block, ASK_WORK) + <usize>shard * CUT_BYTES;
}

/** The shard of a key: its place among the shards of the table. The last one has the keys past the end of the table. */
@inline function shardOfKey(table: usize, keys: usize, i: u32, indexed: u32, wide: bool): u32 {
  const at = wide ? <u32>load<u64>(keys + (<usize>i << 3)) : load<u32>(keys + (<usize>i << 2));
  const place = indexed ? <u32>hash(load<u64>(keys + (<usize>i << 3))) : at;
  const shards = <usize>load<u32>(table, TABLE_SHARDS), last = load<u32>(table, TABLE_SHARD_COUNT) - 1;
  if (last == 1) return u32(place > load<u32>(shards, PLACE_LAST));
  // Most shards are equally long, so this guess is right or nearly right.
  let shard = min(last, place / max<u32>(1, load<u32>(shards, PLACE_LAST)));
  while (shard > 0 && place <= load<u32>(shards + <usize>(shard - 1) * PLACE_BYTES, PLACE_LAST)) shard--;
  while (shard < last && place > load<u32>(shards + <usize>shard * PLACE_BYTES, PLACE_LAST)) shard++;
  return shard;
}

/** As `shardOfKey`, for steps that few lookups need. */
export function shardAt(table: usize, keys: usize, i: u32, indexed: u32, wide: bool): u32 {
  return shardOfKey(table, keys, i, indexed, wide);
}

/** Counts the next keys and bags of each shard. */
export function countPlaces(block: usize, feature: usize, table: usize, most: u32): u32 {
  const shards = load<u32>(table, TABLE_SHARD_COUNT), begin = load<u32>(block, ASK_AT);
  if (!begin) memory.fill(cutOf(block, 0), 0, <usize>shards * CUT_BYTES);
  const count = load<u32>(feature, FEATURE_KEY_COUNT), end = begin + min(most, count - begin);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
  const indexed = load<u32>(table, TABLE_INDEXED), pooled = load<u32>(table, TABLE_POOLED);
  const offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  let bag = load<u32>(block, ASK_BAG);
  for (let i = begin; i < end; i++) {
    if (pooled) while (i >= load<u32>(offsets + (<usize>bag << 2), 4)) bag++;
    const cut = cutOf(block, shardOfKey(table, keys, i, indexed, wide));
    store<u32>(cut, load<u32>(cut, CUT_KEYS) + 1, CUT_KEYS);
    if (load<u32>(cut, CUT_LAST_BAG) == bag + 1) continue;
    store<u32>(cut, bag + 1, CUT_LAST_BAG);
    store<u32>(cut, load<u32>(cut, CUT_BAGS) + 1, CUT_BAGS);
  }
  store<u32>(block, end, ASK_AT);
  store<u32>(block, bag, ASK_BAG);
  if (end == count) addSegments(block, feature, table, shards);
  return end - begin + shards;
}

/** Adds a segment for each shard that has keys, and begins to fill them. */
function addSegments(block: usize, feature: usize, table: usize, shards: u32): void {
  const pooled = load<u32>(table, TABLE_POOLED), weighted = load<u32>(feature, FEATURE_WEIGHTS);
  const shift: usize = load<u32>(feature, FEATURE_KEY_BYTES) == 8 ? 3 : 2;
  for (let shard: u32 = 0; shard < shards; shard++) {
    const cut = cutOf(block, shard), keys = load<u32>(cut, CUT_KEYS), bags = load<u32>(cut, CUT_BAGS);
    if (!keys) continue;
    const place = <usize>load<u32>(table, TABLE_SHARDS) + <usize>shard * PLACE_BYTES;
    const segment = addSegment(block, feature, table, place);
    store<u32>(segment, <u32>take(block, <usize>keys << shift), ASKED_KEYS);
    store<u32>(segment, pooled ? <u32>take(block, <usize>(bags + 1) << 2) : 0, ASKED_OFFSETS);
    store<u32>(segment, weighted ? <u32>take(block, <usize>keys << 2) : 0, ASKED_WEIGHTS);
    store<u32>(segment, <u32>take(block, <usize>(pooled ? bags : keys) << 2), ASKED_BAG_NUMBERS);
    store<u32>(segment, keys, ASKED_KEY_COUNT);
    setBags(segment, pooled ? bags : 0);
    if (pooled) store<u32>(<usize>load<u32>(segment, ASKED_OFFSETS) + (<usize>bags << 2), keys);
    store<u32>(cut, <u32>segment, CUT_SEGMENT);
    store<u32>(cut, 0, CUT_KEYS);
    store<u32>(cut, 0, CUT_BAGS);
    store<u32>(cut, 0, CUT_LAST_BAG);
  }
  enter(block, ASK_SCATTER);
}

/** Writes the next keys to their segments. */
export function scatter(block: usize, feature: usize, table: usize, most: u32): u32 {
  const count = load<u32>(feature, FEATURE_KEY_COUNT), begin = load<u32>(block, ASK_AT);
  const end = begin + min(most, count - begin), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
  const indexed = load<u32>(table, TABLE_INDEXED), pooled = load<u32>(table, TABLE_POOLED);
  const offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  const numbers = load<u32>(feature, FEATURE_HITS) ? <usize>load<u32>(feature, FEATURE_SENT_NUMBERS) : 0;
  let bag = load<u32>(block, ASK_BAG);
  for (let i = begin; i < end; i++) {
    if (pooled) while (i >= load<u32>(offsets + (<usize>bag << 2), 4)) bag++;
    else bag = i;
    const cut = cutOf(block, shardOfKey(table, keys, i, indexed, wide));
    const segment = <usize>load<u32>(cut, CUT_SEGMENT), at = <usize>load<u32>(cut, CUT_KEYS);
    if (load<u32>(cut, CUT_LAST_BAG) != bag + 1) {
      const number = <usize>load<u32>(cut, CUT_BAGS);
      const own = numbers ? load<u32>(numbers + (<usize>bag << 2)) : bag;
      store<u32>(<usize>load<u32>(segment, ASKED_BAG_NUMBERS) + (number << 2), own);
      if (pooled) store<u32>(<usize>load<u32>(segment, ASKED_OFFSETS) + (number << 2), <u32>at);
      store<u32>(cut, <u32>number + 1, CUT_BAGS);
      store<u32>(cut, bag + 1, CUT_LAST_BAG);
    }
    const to = <usize>load<u32>(segment, ASKED_KEYS);
    if (wide) store<u64>(to + (at << 3), load<u64>(keys + (<usize>i << 3)));
    else store<u32>(to + (at << 2), load<u32>(keys + (<usize>i << 2)));
    if (weights) {
      store<u32>(<usize>load<u32>(segment, ASKED_WEIGHTS) + (at << 2), load<u32>(weights + (<usize>i << 2)));
    }
    store<u32>(cut, <u32>at + 1, CUT_KEYS);
  }
  store<u32>(block, end, ASK_AT);
  store<u32>(block, bag, ASK_BAG);
  if (end == count) enter(block, ASK_CHOOSE);
  return end - begin + 1;
}

/** Whether the keys of a feature are cut. Otherwise its only segment has the feature's own arrays. */
@inline export function isCut(table: usize): bool { return load<u32>(table, TABLE_SHARD_COUNT) > 1; }
