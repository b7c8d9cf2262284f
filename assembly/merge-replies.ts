// Merges the replies to a lookup: pools fetched rows, joins partials in shard order, and divides once. What a reply
// holds of a whole table is not read here at all: its results stay where they are.

import {
  ASK_DONE, ASK_FEATURE, ASK_FEATURES, ASK_FRAMES, ASK_NEXT, ASK_SEGMENT, ASK_STAGE, ASKED_COUNTS_AT, ASKED_FRAME,
  ASKED_KEY_COUNT, ASKED_RESULTS, ASKED_VALUES, ASKED_VALUES_AT, FEATURE_EXCEPTIONS, FEATURE_HITS, FEATURE_INVERSE,
  FEATURE_KEYS_GIVEN, FEATURE_PADDED, FEATURE_PADDED_COUNT, FEATURE_PARTS, FEATURE_RESULTS, FEATURE_SEGMENT,
  FEATURE_SEGMENTS, FEATURE_SENT_BAGS, FEATURE_TABLE, MERGE_BEGIN, MERGE_BROUGHT, MERGE_BROUGHT_BYTES, MERGE_END,
  MERGE_HITS, MERGE_NEXT, MERGE_POOL, MERGE_RANGES, MERGE_RANGE_LIST, MERGE_RESULT_BYTES, MERGE_RESULTS, MERGE_WORK,
  MERGE_WORK_BYTES, RANGE_BYTES, RANGE_FROM, RANGE_GAP_MAX, RANGE_SIZE, RANGE_TO, RANGE_FRAME, SENT_BROUGHT,
  SENT_EXCEPTIONS, SENT_LAST_RANGE, SENT_RECORD_BYTES, SENT_REPLIED, SENT_TAIL, SENT_TAIL_KEPT, SENT_VALUES_BYTES,
  SENT_VIEWED, TABLE_DIM, TABLE_POOLED, TABLE_SHARD_COUNT,
} from '../src/kernel/ask-layout';
import { DONE, MORE, NONE } from '../src/kernel/layout';
import {
  RESULT_BAGS, RESULT_BYTES, RESULT_COUNTS, RESULT_DIM, RESULT_EXCEPTION_COUNT, RESULT_EXCEPTIONS, RESULT_FRAME,
  RESULT_INVERSE, RESULT_PADDED, RESULT_PADDED_COUNT, RESULT_RESULTS, RESULT_VALUES,
} from '../src/kernel/result-layout';
import { HEADER_BYTES } from '../src/wire/layout';
import { enter, featureOf, segmentOf, take } from './ask';
import { frameOf, isFetched, valuesSent } from './frames';
import { fill, firstFill, isFilled, lastFill } from './fill';
import { endHits, endMerge, mergeSegment, valuesOf, WORK_FREE } from './merge-segment';
import { hasExceptions, listExceptions } from './outcomes';

@inline export function up(bytes: u64): u64 { return (bytes + 15) & ~15; }
/** Whether one segment has all bags of a feature. */
@inline export function isWhole(feature: usize, table: usize): bool {
  return load<u32>(table, TABLE_SHARD_COUNT) == 1 && !load<u32>(feature, FEATURE_PARTS);
}
/** Whether the vectors of one segment are the results of a feature, in order. */
@inline export function isDirect(feature: usize, table: usize): bool {
  return isWhole(feature, table) && !load<u32>(feature, FEATURE_HITS);
}
/** Number of results: one per bag that was sent or that the cache answered, or one per key. */
@inline export function rowsOf(feature: usize, table: usize): u32 {
  return load<u32>(table, TABLE_POOLED)
    ? load<u32>(feature, FEATURE_SENT_BAGS) + load<u32>(feature, FEATURE_HITS)
    : load<u32>(feature, FEATURE_KEYS_GIVEN);
}
@inline export function isReplied(segment: usize): bool { return load<u32>(load<u32>(segment, ASKED_FRAME), SENT_REPLIED) != 0; }

/** Whether the results of a feature are used where they are in a reply. */
function isViewed(block: usize, feature: usize, table: usize): bool {
  if (!isDirect(feature, table) || !load<u32>(feature, FEATURE_SEGMENTS)) return false;
  const segment = segmentOf(block, load<u32>(feature, FEATURE_SEGMENT));
  return !isFetched(segment) && isReplied(segment);
}

/**
 * Lists the ranges of the replies that `mergeReplies` reads, and computes the memory that it needs. The host has set
 * SENT_REPLIED and SENT_EXCEPTIONS of every frame.
 */
export function openMerge(block: usize): void {
  const features = load<u32>(block, ASK_FEATURES), frames = load<u32>(block, ASK_FRAMES);
  let results: u64 = <u64>features * RESULT_BYTES, work: u64 = 0;
  store<u32>(block, load<u32>(block, ASK_NEXT), MERGE_RANGE_LIST);
  store<u32>(block, 0, MERGE_RANGES);
  for (let i: u32 = 0; i < frames; i++) store<u32>(frameOf(block, i), 0, SENT_LAST_RANGE);
  for (let i: u32 = 0; i < features; i++) {
    const feature = featureOf(block, i), table = <usize>load<u32>(feature, FEATURE_TABLE);
    const viewed = isViewed(block, feature, table), excepted = hasExceptions(block, feature);
    const rows = <u64>rowsOf(feature, table), keys = <u64>load<u32>(feature, FEATURE_KEYS_GIVEN);
    store<u32>(feature, u32(excepted), FEATURE_EXCEPTIONS);
    if (load<u32>(feature, FEATURE_INVERSE)) results += up(<u64>load<u32>(feature, FEATURE_RESULTS) << 2);
    results += up(<u64>load<u32>(feature, FEATURE_PADDED_COUNT) << 2);
    if (excepted) {
      results += up(keys << 2);
      work = max(work, up(keys) * 3 + up(<u64>load<u32>(table, TABLE_SHARD_COUNT) << 2));
    }
    if (!viewed) {
      results += up(rows << 2) + up(rows * load<u32>(table, TABLE_DIM) * 4);
      work = max(work, up(rows << 2) + bringSegments(block, feature, table));
    } else if (isFilled(block, feature)) bringFills(block, feature, table);
  }
  for (let i: u32 = 0; i < frames; i++) bringTail(block, i);
  let brought: u64 = 0;
  for (let i: u32 = 0; i < load<u32>(block, MERGE_RANGES); i++) {
    const range = rangeOf(block, i);
    store<u32>(range, <u32>brought, RANGE_TO);
    brought += up(load<u32>(range, RANGE_SIZE));
  }
  store<u32>(block, saturated(brought), MERGE_BROUGHT_BYTES);
  store<u32>(block, saturated(results), MERGE_RESULT_BYTES);
  store<u32>(block, saturated(WORK_FREE + work), MERGE_WORK_BYTES);
  enter(block, ASK_DONE);
  store<u32>(block, 0, ASK_FEATURE);
}

@inline function saturated(bytes: u64): u32 { return <u32>min<u64>(bytes, NONE); }
@inline export function rangeOf(block: usize, index: u32): usize {
  return <usize>load<u32>(block, MERGE_RANGE_LIST) + <usize>index * RANGE_BYTES;
}

/** Lists the values of the segments of a feature that is merged. @returns bytes of work memory for one of them */
function bringSegments(block: usize, feature: usize, table: usize): u64 {
  const first = load<u32>(feature, FEATURE_SEGMENT), end = first + load<u32>(feature, FEATURE_SEGMENTS);
  let work: u64 = 0;
  for (let i = first; i < end; i++) {
    const segment = segmentOf(block, i), frame = <usize>load<u32>(segment, ASKED_FRAME);
    if (!load<u32>(frame, SENT_REPLIED)) continue;
    const at = load<u32>(segment, ASKED_VALUES_AT);
    store<u32>(segment, bring(block, frame, at, <u32>valuesSent(segment, table)), ASKED_VALUES);
    if (!isFetched(segment)) continue;
    const results = <u64>load<u32>(segment, ASKED_RESULTS);
    const values = isDirect(feature, table) ? 0 : up(results * load<u32>(table, TABLE_DIM) * 4);
    work = max(work, values + 2 * up(results << 2) + up(load<u32>(segment, ASKED_KEY_COUNT)));
  }
  return work;
}

/** Lists the vectors of a feature that are added to the cache, although its results are used where they are. */
function bringFills(block: usize, feature: usize, table: usize): void {
  const segment = segmentOf(block, load<u32>(feature, FEATURE_SEGMENT)), bytes = load<u32>(table, TABLE_DIM) << 2;
  const first = firstFill(feature), from = load<u32>(segment, ASKED_VALUES_AT) + first * bytes;
  const size = (lastFill(feature) + 1 - first) * bytes;
  store<u32>(segment, bring(block, load<u32>(segment, ASKED_FRAME), from, size), ASKED_VALUES);
}

/** Whether the part of a reply after its values was kept when the reply was checked. */
@inline function isTailKept(frame: usize): bool { return load<u32>(frame, SENT_TAIL_KEPT) != 0; }

/** Lists everything after the values: counts, denominators, sequences and exceptions. */
function bringTail(block: usize, index: u32): void {
  const frame = frameOf(block, index), from = <u32>HEADER_BYTES + load<u32>(frame, SENT_VALUES_BYTES);
  const replied = load<u32>(frame, SENT_REPLIED);
  if (replied > from && !isTailKept(frame)) store<u32>(frame, bring(block, frame, from, replied - from), SENT_BROUGHT);
}

/** Adds bytes of a reply to the ranges, or to the last range of this reply. @returns the number of the range */
function bring(block: usize, frame: usize, from: u32, size: u32): u32 {
  const last = load<u32>(frame, SENT_LAST_RANGE), count = load<u32>(block, MERGE_RANGES);
  if (last) {
    const range = rangeOf(block, last - 1), end = load<u32>(range, RANGE_FROM) + load<u32>(range, RANGE_SIZE);
    // To bring a few bytes too many takes less time than another range.
    if (from - end <= <u32>RANGE_GAP_MAX) {
      store<u32>(range, from + size - load<u32>(range, RANGE_FROM), RANGE_SIZE);
      return last - 1;
    }
  }
  const range = take(block, RANGE_BYTES);
  store<u32>(range, <u32>((frame - frameOf(block, 0)) / SENT_RECORD_BYTES), RANGE_FRAME);
  store<u32>(range, from, RANGE_FROM);
  store<u32>(range, size, RANGE_SIZE);
  store<u32>(block, count + 1, MERGE_RANGES);
  store<u32>(frame, count + 1, SENT_LAST_RANGE);
  return count;
}

/**
 * Continues the merge of a lookup whose ranges were brought to MERGE_BROUGHT, for about `budget` keys and vectors.
 * @returns DONE, MORE, or the status of `pool` if fetched rows cannot be pooled
 */
export function mergeReplies(block: usize, budget: u32): i32 {
  if (load<u32>(block, ASK_STAGE) == ASK_DONE) start(block);
  let left = <i64>budget;
  while (load<u32>(block, ASK_FEATURE) < load<u32>(block, ASK_FEATURES)) {
    if (left <= 0) return MORE;
    const index = load<u32>(block, ASK_FEATURE), feature = featureOf(block, index);
    const table = <usize>load<u32>(feature, FEATURE_TABLE), record = recordOf(block, index);
    const stage = load<u32>(block, ASK_STAGE);
    if (stage == MERGE_BEGIN) left -= beginFeature(block, feature, table, record);
    else if (stage == MERGE_END) left -= endMerge(block, feature, table, record, <u32>left);
    else if (stage == MERGE_HITS) left -= endHits(block, feature, table, record, <u32>left);
    else if (load<u32>(block, ASK_SEGMENT) == load<u32>(feature, FEATURE_SEGMENT) + load<u32>(feature, FEATURE_SEGMENTS)) {
      enter(block, MERGE_END);
    } else {
      const segment = segmentOf(block, load<u32>(block, ASK_SEGMENT));
      const status = mergeSegment(block, feature, table, segment, record, <u32>left);
      if (status != DONE) return status;
      left -= 1 + load<u32>(segment, ASKED_KEY_COUNT);
    }
  }
  return DONE;
}

@inline function recordOf(block: usize, index: u32): usize {
  return <usize>load<u32>(block, MERGE_RESULTS) + <usize>index * RESULT_BYTES;
}

/** Gives every frame and segment the address of what was brought of it. */
function start(block: usize): void {
  const brought = load<u32>(block, MERGE_BROUGHT), frames = load<u32>(block, ASK_FRAMES);
  for (let i: u32 = 0; i < frames; i++) {
    const frame = frameOf(block, i), from = <u32>HEADER_BYTES + load<u32>(frame, SENT_VALUES_BYTES);
    if (isTailKept(frame)) store<u32>(frame, load<u32>(frame, SENT_TAIL) - from, SENT_BROUGHT);
    if (load<u32>(frame, SENT_REPLIED) <= from || isTailKept(frame)) continue;
    const range = rangeOf(block, load<u32>(frame, SENT_BROUGHT));
    store<u32>(frame, brought + load<u32>(range, RANGE_TO) - load<u32>(range, RANGE_FROM), SENT_BROUGHT);
  }
  store<u32>(block, load<u32>(block, ASK_FEATURES) * RESULT_BYTES, MERGE_NEXT);
  enter(block, MERGE_BEGIN);
}

/** Takes bytes of the results. @returns their address */
export function takeResult(block: usize, bytes: u64): usize {
  const next = load<u32>(block, MERGE_NEXT), end = <u64>next + up(bytes);
  if (end > <u64>load<u32>(block, MERGE_RESULT_BYTES)) unreachable();
  store<u32>(block, <u32>end, MERGE_NEXT);
  return <usize>load<u32>(block, MERGE_RESULTS) + next;
}

/** Copies an array of u32 to the results. @returns where it begins */
function keep(block: usize, array: usize, count: u32): u32 {
  const to = takeResult(block, <u64>count << 2);
  memory.copy(to, array, <usize>count << 2);
  return <u32>to - load<u32>(block, MERGE_RESULTS);
}

/** Writes the record of a feature, and begins its merge if it is not viewed. @returns the keys that it is worth */
function beginFeature(block: usize, feature: usize, table: usize, record: usize): u32 {
  const rows = rowsOf(feature, table), inverse = load<u32>(feature, FEATURE_INVERSE);
  const results = inverse ? load<u32>(feature, FEATURE_RESULTS) : rows, padded = load<u32>(feature, FEATURE_PADDED_COUNT);
  const begin = load<u32>(block, MERGE_RESULTS);
  store<u32>(record, load<u32>(table, TABLE_DIM), RESULT_DIM);
  store<u32>(record, rows, RESULT_BAGS);
  store<u32>(record, results, RESULT_RESULTS);
  store<u32>(record, inverse ? keep(block, inverse, results) : 0, RESULT_INVERSE);
  store<u32>(record, padded, RESULT_PADDED_COUNT);
  store<u32>(record, padded ? keep(block, load<u32>(feature, FEATURE_PADDED), padded) : 0, RESULT_PADDED);
  store<u32>(record, 0, RESULT_EXCEPTIONS);
  store<u32>(record, 0, RESULT_EXCEPTION_COUNT);
  let worth: u32 = 1 + padded + (inverse ? results : 0);
  if (load<u32>(feature, FEATURE_EXCEPTIONS)) {
    const most = load<u32>(feature, FEATURE_KEYS_GIVEN), list = takeResult(block, <u64>most << 2);
    store<u32>(record, <u32>list - begin, RESULT_EXCEPTIONS);
    const work = <usize>load<u32>(block, MERGE_WORK) + WORK_FREE;
    store<u32>(record, listExceptions(block, feature, table, list, work), RESULT_EXCEPTION_COUNT);
    worth += most;
  }
  if (isViewed(block, feature, table)) {
    const segment = segmentOf(block, load<u32>(feature, FEATURE_SEGMENT)), frame = <usize>load<u32>(segment, ASKED_FRAME);
    store<u32>(record, <u32>((frame - frameOf(block, 0)) / SENT_RECORD_BYTES), RESULT_FRAME);
    store<u32>(frame, 1, SENT_VIEWED);
    store<u32>(record, load<u32>(segment, ASKED_VALUES_AT), RESULT_VALUES);
    store<u32>(record, load<u32>(segment, ASKED_COUNTS_AT), RESULT_COUNTS);
    const counts = load<u32>(frame, SENT_BROUGHT) + load<u32>(segment, ASKED_COUNTS_AT);
    if (isFilled(block, feature)) fill(block, feature, table, valuesOf(block, segment), counts);
    store<u32>(block, load<u32>(block, ASK_FEATURE) + 1, ASK_FEATURE);
    return worth;
  }
  const counts = takeResult(block, <u64>rows << 2), values = takeResult(block, <u64>rows * load<u32>(table, TABLE_DIM) * 4);
  memory.fill(counts, 0, <usize>rows << 2);
  store<u32>(record, NONE, RESULT_FRAME);
  store<u32>(record, <u32>values - begin, RESULT_VALUES);
  store<u32>(record, <u32>counts - begin, RESULT_COUNTS);
  store<u32>(block, load<u32>(feature, FEATURE_SEGMENT), ASK_SEGMENT);
  enter(block, MERGE_POOL);
  return worth + rows;
}
