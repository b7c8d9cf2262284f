// The merge of one feature: its segments in shard order, each pooled here or by its node, and the division at the end.

import {
  ASK_AT, ASK_FEATURE, ASK_SEGMENT, ASKED_BAG_NUMBERS, ASKED_COUNTS_AT, ASKED_DENOMINATORS_AT, ASKED_FLAGS,
  ASKED_FRAME, ASKED_INVERSE, ASKED_KEY_COUNT, ASKED_OFFSETS, ASKED_RESULTS, ASKED_UNIQUE_COUNT, ASKED_VALUES,
  ASKED_VALUES_AT, ASKED_WEIGHTS, FEATURE_HITS, FEATURE_SEGMENT, FEATURE_SEGMENTS, FEATURE_WEIGHTS, MERGE_BEGIN,
  MERGE_BROUGHT, MERGE_HITS, MERGE_RESULTS, MERGE_WORK, RANGE_FROM, RANGE_TO, SENT_BROUGHT, TABLE_DIM, TABLE_DTYPE,
  TABLE_MODE, TABLE_POOLED, TABLE_ROW_BYTES,
} from '../src/kernel/ask-layout';
import {
  CALL_BAG_END, CALL_BYTES, CALL_COUNTS, CALL_DENOMINATORS, CALL_DIM, CALL_DTYPE, CALL_KEY_BYTES, CALL_KEY_COUNT,
  CALL_KEYS, CALL_LAST_SHARD, CALL_MISSING, CALL_MODE, CALL_OFFSETS, CALL_OUT, CALL_OUTCOMES, CALL_PADDING,
  CALL_PARTIAL, CALL_ROW_BYTES, CALL_ROWS, CALL_SCRATCH, CALL_TABLE, CALL_TABLE_ROWS, CALL_WEIGHTS, DONE,
  MERGE_BAG_NUMBERS, MERGE_BAGS, MERGE_BYTES, MERGE_COUNTS, MERGE_DENOMINATORS, MERGE_DIM, MERGE_MODE, MERGE_OUT,
  MERGE_OUT_COUNTS, MERGE_OUT_DENOMINATORS, MERGE_PARTIALS, MISSING_SKIP, MORE, NONE, SCRATCH_BYTES,
} from '../src/kernel/layout';
import { RESULT_COUNTS, RESULT_VALUES } from '../src/kernel/result-layout';
import { enter, segmentOf } from './ask';
import { isDenominatedPartial } from './choose';
import { hasDenominator } from './divide';
import { isFetched } from './frames';
import { gather } from './gather';
import { divide, merge } from './merge';
import { fill, isFilled, placeHits, placeRows } from './fill';
import { isDirect, isReplied, isWhole, rangeOf, rowsOf, up } from './merge-replies';
import { leaveOutAbsent } from './outcomes';
import { pool } from './pool';

// Work memory: the blocks of the kernels that are called and their scratch; denominators of the feature; then the
// partials of a fetched segment, with its counts, denominators and outcomes.
const WORK_MERGE = CALL_BYTES;
const WORK_SCRATCH = CALL_BYTES + MERGE_BYTES;
export const WORK_FREE: usize = WORK_SCRATCH + SCRATCH_BYTES;

// Progress within a segment (ASK_AT): fetched rows are being pooled, or so many of its results were merged.
const POOLING = 1;
const MERGING = 2;

/** Continues with a segment. @returns DONE at its end, MORE, or why its rows cannot be pooled */
export function mergeSegment(
  block: usize, feature: usize, table: usize, segment: usize, record: usize, budget: u32,
): i32 {
  if (!isReplied(segment)) return end(block);
  const work = <usize>load<u32>(block, MERGE_WORK), fetched = isFetched(segment);
  const partials = work + WORK_FREE + <usize>up(<u64>rowsOf(feature, table) << 2);
  if (fetched && load<u32>(block, ASK_AT) < <u32>MERGING) {
    if (!load<u32>(block, ASK_AT)) openPool(block, feature, table, segment, record, work, partials);
    store<u32>(block, POOLING, ASK_AT);
    const status = load<u32>(table, TABLE_POOLED) ? pool(work, budget) : gather(work, budget);
    if (status != DONE) return status;
  }
  // Rows of a whole table were pooled to the results.
  if (isDirect(feature, table)) return end(block);
  const done = <usize>max<i32>(0, load<i32>(block, ASK_AT) - MERGING), results = load<u32>(segment, ASKED_RESULTS);
  const count = min(results - <u32>done, max<u32>(budget, 1)), call = work + WORK_MERGE, replied = valuesOf(block, segment);
  const reply = <usize>load<u32>(load<u32>(segment, ASKED_FRAME), SENT_BROUGHT);
  const values = fetched ? partials : replied;
  const counts = fetched ? <usize>load<u32>(work, CALL_COUNTS) : reply + load<u32>(segment, ASKED_COUNTS_AT);
  let denominators: usize = 0;
  if (fetched) denominators = load<u32>(segment, ASKED_WEIGHTS) ? load<u32>(work, CALL_DENOMINATORS) : 0;
  else if (isDenominatedPartial(load<u32>(segment, ASKED_FLAGS), table)) {
    denominators = reply + load<u32>(segment, ASKED_DENOMINATORS_AT);
  }
  const from = values + done * (load<u32>(table, TABLE_DIM) << 2), numbers = load<u32>(segment, ASKED_BAG_NUMBERS) + (done << 2);
  if (isWhole(feature, table)) {
    placeRows(block, record, load<u32>(table, TABLE_DIM), numbers, count, from, counts + (done << 2));
  } else {
    openResults(block, feature, table, record, count, 0);
    store<u32>(call, <u32>from, MERGE_PARTIALS);
    store<u32>(call, <u32>(counts + (done << 2)), MERGE_COUNTS);
    store<u32>(call, denominators ? <u32>(denominators + (done << 2)) : 0, MERGE_DENOMINATORS);
    store<u32>(call, <u32>numbers, MERGE_BAG_NUMBERS);
    merge(call);
  }
  if (<u32>done + count == results) return end(block);
  store<u32>(block, <u32>done + count + MERGING, ASK_AT);
  return MORE;
}

/** Moves on to the next segment. */
function end(block: usize): i32 {
  store<u32>(block, load<u32>(block, ASK_SEGMENT) + 1, ASK_SEGMENT);
  store<u32>(block, 0, ASK_AT);
  return DONE;
}

/** The address of the values that were brought of a segment. */
export function valuesOf(block: usize, segment: usize): usize {
  const range = rangeOf(block, load<u32>(segment, ASKED_VALUES));
  const begin = <usize>load<u32>(block, MERGE_BROUGHT) + load<u32>(range, RANGE_TO);
  return begin + load<u32>(segment, ASKED_VALUES_AT) - load<u32>(range, RANGE_FROM);
}

/** Writes the fields of a merge block that tell where the results are, from bag `first` on. */
function openResults(block: usize, feature: usize, table: usize, record: usize, bags: u32, first: usize): void {
  const work = <usize>load<u32>(block, MERGE_WORK), call = work + WORK_MERGE, dim = load<u32>(table, TABLE_DIM);
  const results = <usize>load<u32>(block, MERGE_RESULTS), denominators = work + WORK_FREE + (first << 2);
  const denominated = hasDenominator(load<u32>(table, TABLE_MODE), load<u32>(feature, FEATURE_WEIGHTS) != 0);
  store<u32>(call, bags, MERGE_BAGS);
  store<u32>(call, dim, MERGE_DIM);
  store<u32>(call, load<u32>(table, TABLE_MODE), MERGE_MODE);
  store<u32>(call, <u32>(results + load<u32>(record, RESULT_VALUES) + first * (dim << 2)), MERGE_OUT);
  store<u32>(call, <u32>(results + load<u32>(record, RESULT_COUNTS) + (first << 2)), MERGE_OUT_COUNTS);
  store<u32>(call, denominated ? <u32>denominators : 0, MERGE_OUT_DENOMINATORS);
  store<u32>(call, denominated ? <u32>denominators : 0, MERGE_DENOMINATORS);
}

/** Writes the block of the kernel that pools fetched rows. The same kernel on the same bytes gives the bits of a node. */
function openPool(
  block: usize, feature: usize, table: usize, segment: usize, record: usize, call: usize, partials: usize,
): void {
  const results = load<u32>(segment, ASKED_RESULTS), keys = load<u32>(segment, ASKED_KEY_COUNT), whole = isWhole(feature, table);
  const unique = load<u32>(segment, ASKED_UNIQUE_COUNT), dim = load<u32>(table, TABLE_DIM), direct = isDirect(feature, table);
  const own = <usize>load<u32>(block, MERGE_RESULTS), arrays = <usize>up(<u64>results << 2);
  const counts = direct ? partials : partials + <usize>up(<u64>results * dim * 4), outcomes = counts + 2 * arrays;
  leaveOutAbsent(segment, outcomes);
  memory.fill(call, 0, CALL_BYTES);
  memory.fill(outcomes, 0, keys);
  store<u32>(call, <u32>valuesOf(block, segment), CALL_TABLE);
  store<u32>(call, unique, CALL_ROWS);
  store<u32>(call, unique, CALL_TABLE_ROWS);
  store<u32>(call, load<u32>(table, TABLE_ROW_BYTES), CALL_ROW_BYTES);
  store<u32>(call, dim, CALL_DIM);
  store<u32>(call, load<u32>(table, TABLE_DTYPE), CALL_DTYPE);
  store<u32>(call, load<u32>(table, TABLE_MODE), CALL_MODE);
  store<u32>(call, u32(!whole), CALL_PARTIAL);
  store<u32>(call, load<u32>(segment, ASKED_INVERSE), CALL_KEYS);
  store<u32>(call, 4, CALL_KEY_BYTES);
  store<u32>(call, keys, CALL_KEY_COUNT);
  store<u32>(call, load<u32>(segment, ASKED_OFFSETS), CALL_OFFSETS);
  store<u32>(call, load<u32>(segment, ASKED_WEIGHTS), CALL_WEIGHTS);
  store<u32>(call, results, CALL_BAG_END);
  store<u32>(call, NONE, CALL_PADDING);
  store<u32>(call, MISSING_SKIP, CALL_MISSING);
  store<u32>(call, 1, CALL_LAST_SHARD);
  store<u32>(call, direct ? <u32>own + load<u32>(record, RESULT_VALUES) : <u32>partials, CALL_OUT);
  store<u32>(call, direct ? <u32>own + load<u32>(record, RESULT_COUNTS) : <u32>counts, CALL_COUNTS);
  store<u32>(call, <u32>(counts + arrays), CALL_DENOMINATORS);
  store<u32>(call, <u32>outcomes, CALL_OUTCOMES);
  store<u32>(call, <u32>(call + WORK_SCRATCH), CALL_SCRATCH);
}

/** Ends the next bags of a feature, and then the feature. @returns the keys that it is worth */
export function endMerge(block: usize, feature: usize, table: usize, record: usize, budget: u32): u32 {
  const rows = rowsOf(feature, table), first = load<u32>(block, ASK_AT), count = min(rows - first, max<u32>(budget, 1));
  const pooled = isWhole(feature, table) && load<u32>(feature, FEATURE_SEGMENTS)
    && isReplied(segmentOf(block, load<u32>(feature, FEATURE_SEGMENT)));
  if (!pooled) {
    openResults(block, feature, table, record, count, first);
    divide(<usize>load<u32>(block, MERGE_WORK) + WORK_MERGE);
  }
  store<u32>(block, first + count, ASK_AT);
  if (!pooled && first + count < rows) return count;
  enter(block, MERGE_HITS);
  return count;
}

/** Places the next vectors that the cache had, adds others to it, and ends the feature. @returns the keys that it is worth */
export function endHits(block: usize, feature: usize, table: usize, record: usize, budget: u32): u32 {
  const placed = placeHits(block, feature, table, record, budget), results = <usize>load<u32>(block, MERGE_RESULTS);
  if (load<u32>(block, ASK_AT) < load<u32>(feature, FEATURE_HITS)) return placed;
  const values = results + load<u32>(record, RESULT_VALUES), counts = results + load<u32>(record, RESULT_COUNTS);
  if (isFilled(block, feature)) fill(block, feature, table, values, counts);
  store<u32>(block, load<u32>(block, ASK_FEATURE) + 1, ASK_FEATURE);
  enter(block, MERGE_BEGIN);
  return placed + 1;
}
