// The ranker's half of a lookup: all features in one call, from bags as their caller gave them to one frame per node.
// It stops after a bounded number of keys, and goes on where it was.

import {
  ASK_ASSIGN, ASK_AT, ASK_BAG, ASK_BAGS, ASK_BEGIN, ASK_CHOOSE, ASK_COUNT, ASK_DONE, ASK_ERROR_FEATURE,
  ASK_ERROR_POSITION, ASK_ERROR_VALUE, ASK_FEATURE, ASK_FEATURE_LIST, ASK_FEATURES, ASK_FOUND, ASK_KEYS, ASK_MISSING,
  ASK_NEXT, ASK_END, ASK_PADDING, ASK_PROBE, ASK_SCATTER, ASK_SEGMENT, ASK_SEGMENT_LIST, ASK_SEGMENTS, ASK_SPLIT_KEYS,
  ASK_STAGE, ASK_STATUS, ASK_UNPAD, ASK_UNPAD_OFFSETS, ASK_WRITE, ASKED_BAG_NUMBERS, ASKED_BAGS, ASKED_BYTES,
  ASKED_FEATURE, ASKED_FLAGS, ASKED_KEY_COUNT, ASKED_KEYS, ASKED_OFFSETS, ASKED_PLACE, ASKED_RESULTS, ASKED_UNIQUE,
  ASKED_WEIGHTS, BAD_POLICY, BAD_WEIGHTS, COUNTS_LENGTHS, COUNTS_WIDE, FEATURE_BAGS, FEATURE_BYTES, FEATURE_COUNTS,
  FEATURE_GIVEN, FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_KEYS_GIVEN, FEATURE_OFFSETS, FEATURE_SEGMENT,
  FEATURE_SEGMENTS, FEATURE_HITS, FEATURE_SENT_BAGS, FEATURE_SENT_NUMBERS, FEATURE_SENT_OFFSETS, FEATURE_TABLE, FEATURE_WEIGHTS, TABLE_HAS_DEFAULT,
  TABLE_INDEXED, TABLE_MISSING, TABLE_MODE, TABLE_POOLED, TABLE_SHARD_COUNT, TABLE_SHARDS, ASK_PLAN, PLAN_SEED,
} from '../src/kernel/ask-layout';
import { BAD_OFFSETS, DONE, MAX, MISSING_DEFAULT, MORE } from '../src/kernel/layout';
import { FLAG_MISSING_SHIFT, FLAG_PARTIAL, FLAG_WEIGHTED, FLAG_WIDE } from '../src/wire/layout';
import { findRepeats } from './ask-bags';
import { findPadding, readKeys, removePadding, shiftOffsets } from './ask-keys';
import { choose } from './choose';
import { countPlaces, scatter } from './cut';
import { assignFrames, writeFrames } from './frames';
import { addParts } from './parts';
import { probe } from './probe';

@inline export function featureOf(block: usize, index: u32): usize {
  return <usize>load<u32>(block, ASK_FEATURE_LIST) + <usize>index * FEATURE_BYTES;
}
@inline export function segmentOf(block: usize, index: u32): usize {
  return <usize>load<u32>(block, ASK_SEGMENT_LIST) + <usize>index * ASKED_BYTES;
}

/** What hashes of keys in tables of this thread begin with, so that callers cannot choose keys that collide. */
@inline export function seedOf(block: usize): u64 {
  return load<u64>(<usize>load<u32>(block, ASK_PLAN), PLAN_SEED);
}

/** Takes `bytes` bytes of the lookup's memory. The host has reserved enough, so running out is a fault. */
export function take(block: usize, bytes: usize): usize {
  const at = <usize>load<u32>(block, ASK_NEXT), next = at + ((bytes + 15) & ~15);
  if (next > <usize>load<u32>(block, ASK_END)) unreachable();
  store<u32>(block, <u32>next, ASK_NEXT);
  return at;
}

/** Begins the next stage of a feature. */
@inline export function enter(block: usize, stage: u32): void {
  store<u32>(block, stage, ASK_STAGE);
  store<u32>(block, 0, ASK_AT);
  store<u32>(block, 0, ASK_BAG);
  store<u32>(block, 0, ASK_FOUND);
}

/** Refuses the lookup because of the current feature. */
export function refuseAsk(block: usize, status: i32, position: u32, value: u64): void {
  store<u32>(block, status, ASK_STATUS);
  store<u32>(block, load<u32>(block, ASK_FEATURE), ASK_ERROR_FEATURE);
  store<u32>(block, position, ASK_ERROR_POSITION);
  store<u64>(block, value, ASK_ERROR_VALUE);
}

/** The policy of a lookup for the keys of a table: MISSING_*. */
@inline export function policyOf(block: usize, table: usize): u32 {
  const own = load<u32>(block, ASK_MISSING);
  return own ? own - 1 : load<u32>(table, TABLE_MISSING);
}

/**
 * Checks the form of all bags, and makes their offsets u32 [bags + 1].
 * @returns DONE, or BAD_OFFSETS or BAD_WEIGHTS with the feature in ASK_ERROR_FEATURE
 */
export function openAsk(block: usize): i32 {
  const features = load<u32>(block, ASK_FEATURES);
  for (let i: u32 = 0; i < features; i++) {
    if (readOffsets(featureOf(block, i))) continue;
    store<u32>(block, i, ASK_ERROR_FEATURE);
    return BAD_OFFSETS;
  }
  for (let i: u32 = 0; i < features; i++) {
    const feature = featureOf(block, i), table = <usize>load<u32>(feature, FEATURE_TABLE);
    const weighable = load<u32>(table, TABLE_POOLED) && load<u32>(table, TABLE_MODE) != MAX;
    if (weighable || !load<u32>(feature, FEATURE_WEIGHTS)) continue;
    store<u32>(block, i, ASK_ERROR_FEATURE);
    return BAD_WEIGHTS;
  }
  return DONE;
}

/** @returns whether they start with 0, never decrease, and end with the number of keys */
function readOffsets(feature: usize): bool {
  const at = <usize>load<u32>(feature, FEATURE_OFFSETS), bags = load<u32>(feature, FEATURE_BAGS);
  const keys = load<u32>(feature, FEATURE_KEY_COUNT), given = load<u32>(feature, FEATURE_GIVEN);
  const counts = load<u32>(feature, FEATURE_COUNTS), last = at + (<usize>bags << 2);
  if (counts & COUNTS_WIDE) {
    for (let i: usize = 0; i < given; i++) {
      const wide = load<u64>(at + (i << 3));
      if (wide >> 32) return false;
      store<u32>(at + (i << 2), <u32>wide);
    }
  }
  if (counts & COUNTS_LENGTHS) {
    let sum: u64 = 0;
    for (let p = at; p < last; p += 4) {
      const length = load<u32>(p);
      store<u32>(p, <u32>sum);
      sum += length;
      if (sum > keys) return false;
    }
    store<u32>(last, <u32>sum);
    return sum == keys;
  }
  // The last one may be left out. It is the number of keys.
  if (given == bags) store<u32>(last, keys);
  if (load<u32>(last) != keys || (!bags && keys)) return false;
  let before: u32 = 0;
  if (load<u32>(at)) return false;
  for (let p = at; p < last; p += 4) {
    const offset = load<u32>(p);
    if (offset < before) return false;
    before = offset;
  }
  return before <= keys;
}

/**
 * Continues a lookup that was opened, for about `budget` keys.
 * @returns DONE if all frames are ready; MORE; or why it is refused: BAD_KEY, BAD_POLICY or TOO_LARGE
 */
export function ask(block: usize, budget: u32): i32 {
  for (let left = <i64>budget; load<u32>(block, ASK_STAGE) != ASK_DONE;) {
    if (left <= 0) return MORE;
    left -= step(block, <u32>left);
    if (load<u32>(block, ASK_STATUS)) return load<u32>(block, ASK_STATUS);
  }
  return DONE;
}

/** One step of at most `most` keys. @returns the keys that it is worth */
function step(block: usize, most: u32): u32 {
  const stage = load<u32>(block, ASK_STAGE);
  if (stage == ASK_ASSIGN) return assignFrames(block);
  if (stage == ASK_WRITE) return writeFrames(block, most);
  const index = load<u32>(block, ASK_FEATURE);
  if (index == load<u32>(block, ASK_FEATURES)) {
    enter(block, ASK_ASSIGN);
    return 0;
  }
  const feature = featureOf(block, index), table = <usize>load<u32>(feature, FEATURE_TABLE);
  switch (stage) {
    case ASK_BEGIN: return begin(block, feature, table);
    case ASK_KEYS: return readKeys(block, feature, table, most);
    case ASK_PADDING: return findPadding(block, feature, table, most);
    case ASK_UNPAD: return removePadding(block, feature, table, most);
    case ASK_UNPAD_OFFSETS: return shiftOffsets(block, feature, most);
    case ASK_BAGS: return findRepeats(block, feature, most);
    case ASK_PROBE: return probe(block, feature, table, most);
    case ASK_COUNT: return cut(block, feature, table, most);
    case ASK_SCATTER: return scatter(block, feature, table, most);
    default: return choose(block, feature, table, most);
  }
}

function begin(block: usize, feature: usize, table: usize): u32 {
  store<u32>(feature, load<u32>(feature, FEATURE_KEY_COUNT), FEATURE_KEYS_GIVEN);
  store<u32>(feature, load<u32>(block, ASK_SEGMENTS), FEATURE_SEGMENT);
  store<u32>(block, load<u32>(block, ASK_SEGMENTS), ASK_SEGMENT);
  if (policyOf(block, table) == MISSING_DEFAULT && !load<u32>(table, TABLE_HAS_DEFAULT)) {
    refuseAsk(block, BAD_POLICY, 0, 0);
  }
  enter(block, ASK_KEYS);
  return 1;
}

/** Ends the feature, and begins with the next one. */
export function endFeature(block: usize, feature: usize): void {
  store<u32>(feature, load<u32>(block, ASK_SEGMENTS) - load<u32>(feature, FEATURE_SEGMENT), FEATURE_SEGMENTS);
  store<u32>(block, load<u32>(block, ASK_FEATURE) + 1, ASK_FEATURE);
  enter(block, ASK_BEGIN);
}

/** Bags of the only shard of a table are one segment, even if all of them are empty. */
function cut(block: usize, feature: usize, table: usize, most: u32): u32 {
  const pooled = load<u32>(table, TABLE_POOLED), keys = load<u32>(feature, FEATURE_KEY_COUNT);
  if (!(pooled ? load<u32>(feature, FEATURE_SENT_BAGS) : keys)) {
    endFeature(block, feature);
    return 0;
  }
  if (load<u32>(table, TABLE_SHARD_COUNT) > 1) return countPlaces(block, feature, table, most);
  const split = load<u32>(block, ASK_SPLIT_KEYS);
  if (split && keys > split) {
    addParts(block, feature, table);
    enter(block, ASK_CHOOSE);
    return keys;
  }
  const segment = addSegment(block, feature, table, load<u32>(table, TABLE_SHARDS));
  store<u32>(segment, load<u32>(feature, FEATURE_KEYS), ASKED_KEYS);
  store<u32>(segment, pooled ? load<u32>(feature, FEATURE_SENT_OFFSETS) : 0, ASKED_OFFSETS);
  store<u32>(segment, load<u32>(feature, FEATURE_WEIGHTS), ASKED_WEIGHTS);
  store<u32>(segment, keys, ASKED_KEY_COUNT);
  store<u32>(segment, load<u32>(feature, FEATURE_HITS) ? load<u32>(feature, FEATURE_SENT_NUMBERS) : 0, ASKED_BAG_NUMBERS);
  setBags(segment, pooled ? load<u32>(feature, FEATURE_SENT_BAGS) : 0);
  enter(block, ASK_CHOOSE);
  return 0;
}

/** Adds a segment without bags and keys, which is not fetched. */
export function addSegment(block: usize, feature: usize, table: usize, place: usize): usize {
  const number = load<u32>(block, ASK_SEGMENTS), segment = segmentOf(block, number);
  store<u32>(block, number + 1, ASK_SEGMENTS);
  store<u32>(segment, load<u32>(block, ASK_FEATURE), ASKED_FEATURE);
  store<u32>(segment, <u32>place, ASKED_PLACE);
  const policy = policyOf(block, table);
  let flags: u32 = load<u32>(table, TABLE_INDEXED) ? FLAG_WIDE : 0;
  if (load<u32>(feature, FEATURE_WEIGHTS)) flags |= FLAG_WEIGHTED;
  if (load<u32>(table, TABLE_SHARD_COUNT) > 1) flags |= FLAG_PARTIAL;
  if (policy != load<u32>(table, TABLE_MISSING)) flags |= (policy + 1) << FLAG_MISSING_SHIFT;
  store<u32>(segment, flags, ASKED_FLAGS);
  store<u32>(segment, 0, ASKED_UNIQUE);
  return segment;
}

/** Sets the number of bags. @param bags 0: each key has a result */
@inline export function setBags(segment: usize, bags: u32): void {
  store<u32>(segment, bags, ASKED_BAGS);
  store<u32>(segment, load<u32>(segment, ASKED_OFFSETS) ? bags : load<u32>(segment, ASKED_KEY_COUNT), ASKED_RESULTS);
}
