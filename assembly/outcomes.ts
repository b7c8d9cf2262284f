// Keys that replies list as exceptions: padded, missing, or answered by the default row. Also checks replies.

import {
  ASK_ERROR_POSITION, ASK_ERROR_VALUE, ASK_SEGMENTS, ASKED_COUNTS_AT, ASKED_FEATURE, ASKED_FIRST_KEY, ASKED_FRAME,
  ASKED_INVERSE, ASKED_KEY_COUNT, ASKED_KEYS, ASKED_OFFSETS, ASKED_PLACE, ASKED_UNIQUE_COUNT, BAD_COUNT, BAD_EXCEPTION,
  BAD_OUTCOME, FEATURE_BAGS, FEATURE_HITS, FEATURE_INVERSE, FEATURE_KEY_BYTES, FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_OFFSETS,
  FEATURE_PADDED, FEATURE_PADDED_COUNT, FEATURE_REPEATS, FEATURE_SEGMENT, FEATURE_SEGMENTS, FEATURE_SENT_OFFSETS,
  FEATURE_SENT_PLACES, FEATURE_TABLE, PLACE_BYTES, SENT_BROUGHT, SENT_EXCEPTIONS, SENT_KEYS, SENT_REPLIED, SENT_VALUES_BYTES, TABLE_INDEXED,
  TABLE_POOLED, TABLE_SHARD_COUNT, TABLE_SHARDS,
} from '../src/kernel/ask-layout';
import { DONE, NONE, OUTCOME_DEFAULTED, OUTCOME_PADDED } from '../src/kernel/layout';
import { EXCEPTION_OUTCOME_SHIFT, EXCEPTION_POSITION_MASK, HEADER_BYTES } from '../src/wire/layout';
import { featureOf, segmentOf } from './ask';
import { isCut, shardAt } from './cut';
import { frameOf, isFetched, keysSent, vectorsSent } from './frames';

function refuse(block: usize, status: i32, position: u32, value: u64): i32 {
  store<u32>(block, position, ASK_ERROR_POSITION);
  store<u64>(block, value, ASK_ERROR_VALUE);
  return status;
}

/**
 * Checks a reply whose length is right: no bag has more rows than keys, and exceptions ascend.
 * @param tail everything after its values @param bytes of it @param exceptions how many it ends with
 * @returns DONE, BAD_COUNT (position: keys, value: rows), BAD_EXCEPTION (position: key, value: the least possible),
 *   or BAD_OUTCOME (position: key, value: outcome)
 */
export function checkReply(block: usize, index: u32, tail: usize, bytes: u32, exceptions: u32): i32 {
  const frame = frameOf(block, index), keys = load<u32>(frame, SENT_KEYS), end = tail + bytes;
  let least: u32 = 0;
  for (let p = end - (<usize>exceptions << 2); p < end; p += 4) {
    const exception = load<u32>(p), position = exception & EXCEPTION_POSITION_MASK;
    if (position < least || position >= keys) return refuse(block, BAD_EXCEPTION, position, least);
    const outcome = exception >> EXCEPTION_OUTCOME_SHIFT;
    if (outcome < <u32>OUTCOME_PADDED || outcome > <u32>OUTCOME_DEFAULTED) {
      return refuse(block, BAD_OUTCOME, position, outcome);
    }
    least = position + 1;
  }
  const base = tail - HEADER_BYTES - load<u32>(frame, SENT_VALUES_BYTES);
  for (let i: u32 = 0; i < load<u32>(block, ASK_SEGMENTS); i++) {
    const segment = segmentOf(block, i);
    if (load<u32>(segment, ASKED_FRAME) != <u32>frame || isFetched(segment)) continue;
    const offsets = <usize>load<u32>(segment, ASKED_OFFSETS), vectors = <usize>vectorsSent(segment);
    const counts = base + load<u32>(segment, ASKED_COUNTS_AT);
    for (let bag: usize = 0; bag < vectors; bag++) {
      const at = offsets + (bag << 2), most = offsets ? load<u32>(at, 4) - load<u32>(at) : 1;
      const count = load<u32>(counts + (bag << 2));
      if (count > most) return refuse(block, BAD_COUNT, most, count);
    }
  }
  return DONE;
}

/** Whether a reply that has keys of a feature lists exceptions. */
export function hasExceptions(block: usize, feature: usize): bool {
  const first = load<u32>(feature, FEATURE_SEGMENT), end = first + load<u32>(feature, FEATURE_SEGMENTS);
  for (let i = first; i < end; i++) {
    const frame = <usize>load<u32>(segmentOf(block, i), ASKED_FRAME);
    if (load<u32>(frame, SENT_REPLIED) && load<u32>(frame, SENT_EXCEPTIONS)) return true;
  }
  return false;
}

/** Address of the first exception of a reply at or after a key of its frame. */
function exceptionsFrom(frame: usize, key: u32): usize {
  const count = load<u32>(frame, SENT_EXCEPTIONS);
  const list = <usize>load<u32>(frame, SENT_BROUGHT) + load<u32>(frame, SENT_REPLIED) - (<usize>count << 2);
  let low: usize = 0, high = <usize>count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((load<u32>(list + (middle << 2)) & EXCEPTION_POSITION_MASK) < key) low = middle + 1;
    else high = middle;
  }
  return list + (low << 2);
}

/** Writes the outcome of those keys sent of a segment that its reply lists. @returns whether there are some */
function readOutcomes(segment: usize, outcomes: usize): bool {
  const frame = <usize>load<u32>(segment, ASKED_FRAME), first = load<u32>(segment, ASKED_FIRST_KEY);
  if (!load<u32>(frame, SENT_REPLIED)) return false;
  const begin = exceptionsFrom(frame, first), end = exceptionsFrom(frame, first + keysSent(segment));
  for (let p = begin; p < end; p += 4) {
    const exception = load<u32>(p);
    store<u8>(outcomes + (exception & EXCEPTION_POSITION_MASK) - first, <u8>(exception >> EXCEPTION_OUTCOME_SHIFT));
  }
  return end > begin;
}

/** Gives keys without a row, of a fetched segment, the position after the last row, which is skipped. */
export function leaveOutAbsent(segment: usize, work: usize): void {
  const unique = load<u32>(segment, ASKED_UNIQUE_COUNT), inverse = <usize>load<u32>(segment, ASKED_INVERSE);
  memory.fill(work, 0, unique);
  if (!readOutcomes(segment, work)) return;
  const keys = <usize>load<u32>(segment, ASKED_KEY_COUNT);
  for (let i: usize = 0; i < keys; i++) {
    const outcome = load<u8>(work + load<u32>(inverse + (i << 2)));
    if (outcome && outcome != <u8>OUTCOME_DEFAULTED) store<u32>(inverse + (i << 2), unique);
  }
}

/** Writes the outcomes of the cut keys of a segment, u8 [keys], which are 0. @param work u8 [keys], which are 0 */
function readCutOutcomes(segment: usize, outcomes: usize, work: usize): void {
  if (!isFetched(segment)) {
    readOutcomes(segment, outcomes);
    return;
  }
  if (!readOutcomes(segment, work)) return;
  const keys = <usize>load<u32>(segment, ASKED_KEY_COUNT), inverse = <usize>load<u32>(segment, ASKED_INVERSE);
  for (let i: usize = 0; i < keys; i++) store<u8>(outcomes + i, load<u8>(work + load<u32>(inverse + (i << 2))));
  memory.fill(work, 0, load<u32>(segment, ASKED_UNIQUE_COUNT));
}

/**
 * Lists the exceptions of a feature by position in the keys that were given.
 * @param list u32 [keys] @param work u8 [3 × keys], then u32 [shards] @returns how many there are
 */
export function listExceptions(block: usize, feature: usize, table: usize, list: usize, work: usize): u32 {
  const keys = <usize>load<u32>(feature, FEATURE_KEY_COUNT), first = load<u32>(feature, FEATURE_SEGMENT);
  const end = first + load<u32>(feature, FEATURE_SEGMENTS), shards = load<u32>(table, TABLE_SHARD_COUNT);
  const outcomes = work, ofSegments = work + keys, ofUnique = ofSegments + keys, cursors = (ofUnique + keys + 3) & ~3;
  memory.fill(work, 0, 3 * keys);
  if (!isCut(table)) {
    for (let i = first; i < end; i++) {
      const segment = segmentOf(block, i);
      readCutOutcomes(segment, outcomes + firstKey(feature, segment), ofUnique);
    }
  } else {
    let next = ofSegments;
    for (let i = first; i < end; i++) {
      const segment = segmentOf(block, i);
      const shard = (load<u32>(segment, ASKED_PLACE) - load<u32>(table, TABLE_SHARDS)) / PLACE_BYTES;
      readCutOutcomes(segment, next, ofUnique);
      store<u32>(cursors + (<usize>shard << 2), <u32>next);
      next += load<u32>(segment, ASKED_KEY_COUNT);
    }
    const all = <usize>load<u32>(feature, FEATURE_KEYS), wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
    const indexed = load<u32>(table, TABLE_INDEXED);
    for (let i: usize = 0; i < keys; i++) {
      const cursor = cursors + (<usize>shardAt(table, all, <u32>i, indexed, wide) << 2), at = load<u32>(cursor);
      store<u8>(outcomes + i, load<u8>(at));
      store<u32>(cursor, at + 1);
    }
  }
  let found = list;
  if (!load<u32>(table, TABLE_POOLED)) {
    for (let i: usize = 0; i < keys; i++) found = note(found, load<u8>(outcomes + i), <u32>i);
  } else {
    const bags = load<u32>(feature, FEATURE_BAGS), offsets = <usize>load<u32>(feature, FEATURE_OFFSETS);
    let padded: u32 = 0;
    for (let bag: usize = 0; bag < bags; bag++) {
      const begin = load<u32>(offsets + (bag << 2)), stop = load<u32>(offsets + (bag << 2), 4);
      const first = sentKey(feature, <u32>bag);
      if (first == NONE) continue;
      const sent = outcomes + first - begin;
      for (let key = begin; key < stop; key++) {
        const outcome = load<u8>(sent + key);
        if (!outcome) continue;
        padded = paddedBefore(feature, key, padded);
        found = note(found, outcome, key + padded);
      }
    }
  }
  return <u32>(found - list) >> 2;
}

/** The first key of a segment of a whole table, among those that are sent for its feature. */
function firstKey(feature: usize, segment: usize): u32 {
  return (load<u32>(segment, ASKED_KEYS) - load<u32>(feature, FEATURE_KEYS)) / load<u32>(feature, FEATURE_KEY_BYTES);
}

@inline function note(at: usize, outcome: u32, position: u32): usize {
  if (!outcome) return at;
  store<u32>(at, position | (outcome << EXCEPTION_OUTCOME_SHIFT));
  return at + 4;
}

/** The first key that was sent for a bag, or NONE if the cache answered it. */
@inline function sentKey(feature: usize, bag: u32): u32 {
  const repeats = load<u32>(feature, FEATURE_REPEATS), inverse = <usize>load<u32>(feature, FEATURE_INVERSE);
  let sent = repeats ? load<u32>(inverse + (<usize>bag << 2)) : bag;
  if (load<u32>(feature, FEATURE_HITS)) sent = load<u32>(load<u32>(feature, FEATURE_SENT_PLACES) + (<usize>sent << 2));
  if (sent == NONE) return NONE;
  return load<u32>(load<u32>(feature, FEATURE_SENT_OFFSETS) + (<usize>sent << 2));
}

/** How many padding keys precede a key that is not padding. @param known at least so many */
function paddedBefore(feature: usize, key: u32, known: u32): u32 {
  const list = <usize>load<u32>(feature, FEATURE_PADDED), count = load<u32>(feature, FEATURE_PADDED_COUNT);
  while (known < count && load<u32>(list + (<usize>known << 2)) <= key + known) known++;
  return known;
}

/** The position, among the keys that were given, of a key that was sent for a segment. */
export function positionOf(block: usize, index: u32, sent: u32): u32 {
  const segment = segmentOf(block, index), feature = featureOf(block, load<u32>(segment, ASKED_FEATURE));
  const table = <usize>load<u32>(feature, FEATURE_TABLE), cut = <usize>load<u32>(segment, ASKED_KEY_COUNT);
  let key = sent;
  if (isFetched(segment)) {
    const inverse = <usize>load<u32>(segment, ASKED_INVERSE);
    for (key = 0; key < <u32>cut && load<u32>(inverse + (<usize>key << 2)) != sent;) key++;
  }
  key = isCut(table) ? uncut(feature, table, segment, key) : key + firstKey(feature, segment);
  if (!load<u32>(table, TABLE_POOLED)) return key;
  const bags = load<u32>(feature, FEATURE_BAGS), offsets = <usize>load<u32>(feature, FEATURE_OFFSETS);
  for (let bag: u32 = 0; bag < bags; bag++) {
    const at = offsets + (<usize>bag << 2), begin = load<u32>(at), first = sentKey(feature, bag);
    if (first == NONE || key < first || key - first >= load<u32>(at, 4) - begin) continue;
    const own = begin + key - first;
    return own + paddedBefore(feature, own, 0);
  }
  return key;
}

/** The key of a feature that is key `number` of its segment. */
function uncut(feature: usize, table: usize, segment: usize, number: u32): u32 {
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), count = load<u32>(feature, FEATURE_KEY_COUNT);
  const wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8, indexed = load<u32>(table, TABLE_INDEXED);
  const shard = (load<u32>(segment, ASKED_PLACE) - load<u32>(table, TABLE_SHARDS)) / PLACE_BYTES;
  let left = number;
  for (let i: u32 = 0; i < count; i++) {
    if (shardAt(table, keys, i, indexed, wide) == shard && !left--) return i;
  }
  return count;
}
