// Calls of the component that pool. Arguments and results are flattened as in the canonical ABI. Lists that are passed
// in are freed here; lists that are returned are freed by `freePooled`.
import {
  BAD_KEY,
  CALL_BAG_END,
  CALL_BYTES,
  CALL_ERROR_POSITION,
  CALL_EXCEPTIONS,
  CALL_OUTCOMES,
  CALL_MISSING,
  CALL_MODE,
  CALL_OFFSETS,
  CALL_PADDING,
  CALL_PARTIAL,
  CALL_WEIGHTS,
  DONE,
  MAX,
  NONE,
} from '../../src/kernel/layout';
import { hasDenominator } from '../divide';
import { gather as gatherRows } from '../gather';
import { pool as poolBags } from '../pool';
import { give, take } from './memory';
import {
  COUNTS,
  DENOMINATORS,
  done,
  OUTCOMES,
  failed,
  freeFloats,
  freePooled,
  INVALID_KEY,
  INVALID_OFFSETS,
  INVALID_OPTION,
  INVALID_WEIGHTS,
  LIMIT_EXCEEDED,
  setList,
  setOption,
  setPartial,
  VALUES,
} from './result';
import { dimOf, openCall } from './table';

/** Most bytes of the vectors that one call returns. */
const OUT_BYTES_MAX: u64 = 1 << 30;
const CALL = memory.data(CALL_BYTES, 16);

/** Pools bags of keys u32 [keyCount]; offsets u32 [offsetCount], one more than bags. */
export function pool(
  table: usize,
  keys: usize,
  keyCount: u32,
  offsets: usize,
  offsetCount: u32,
  weighted: u32,
  weights: usize,
  weightCount: u32,
  mode: u32,
  padded: u32,
  padding: u32,
  missing: u32,
  partial: u32,
): usize {
  let result: usize = 0;
  const ends = (<u64>(offsetCount - 1) * dimOf(table)) << 2;
  if (offsetCount == 0 || load<u32>(offsets)) result = failed(INVALID_OFFSETS, 0);
  else if (load<u32>(offsets + ((<usize>offsetCount) << 2) - 4) != keyCount)
    result = failed(INVALID_OFFSETS, offsetCount - 1);
  else if (weighted && (weightCount != keyCount || mode == MAX)) result = failed(INVALID_WEIGHTS, 0);
  // For kernels, NONE means that there is no padding key.
  else if (padded && padding == NONE) result = failed(INVALID_OPTION, 0);
  else if (ends > OUT_BYTES_MAX) result = failed(LIMIT_EXCEEDED, <u32>(ends >> 20));
  else {
    memory.fill(CALL, 0, CALL_BYTES);
    store<u32>(CALL, offsets, CALL_OFFSETS);
    store<u32>(CALL, weighted ? weights : 0, CALL_WEIGHTS);
    store<u32>(CALL, mode, CALL_MODE);
    store<u32>(CALL, partial, CALL_PARTIAL);
    store<u32>(CALL, missing, CALL_MISSING);
    result = pooled(
      table,
      keys,
      keyCount,
      offsetCount - 1,
      hasDenominator(mode, weighted != 0),
      padded ? padding : NONE,
    );
  }
  give(keys, (<usize>keyCount) << 2);
  give(offsets, (<usize>offsetCount) << 2);
  if (weighted) give(weights, (<usize>weightCount) << 2);
  return result;
}

/** Allocates the results of the call, and runs it. */
function pooled(table: usize, keys: usize, keyCount: u32, bags: u32, denominated: bool, padding: u32): usize {
  const dim = dimOf(table),
    out = take((<usize>bags * dim) << 2),
    counts = take((<usize>bags) << 2),
    outcomes = take(keyCount);
  const denominators = denominated ? take((<usize>bags) << 2) : 0;
  memory.fill(outcomes, 0, keyCount);
  openCall(CALL, table, keys, keyCount, out, counts, denominators);
  store<u32>(CALL, outcomes, CALL_OUTCOMES);
  store<u32>(CALL, bags, CALL_BAG_END);
  store<u32>(CALL, padding, CALL_PADDING);
  const status = poolBags(CALL, NONE);
  setList(VALUES, out, bags * dim);
  setOption(COUNTS, counts, bags);
  setOption(DENOMINATORS, denominators, bags);
  setOption(OUTCOMES, outcomes, keyCount);
  setPartial(load<u32>(CALL, CALL_PARTIAL) != 0);
  if (status != DONE) {
    freePooled(done());
    const position = load<u32>(CALL, CALL_ERROR_POSITION);
    // Kernels report the bag. Of its two offsets, the wrong one is the one that ends it.
    return status == BAD_KEY ? failed(INVALID_KEY, position) : failed(INVALID_OFFSETS, position + 1);
  }
  if (load<u32>(CALL, CALL_EXCEPTIONS) == 0) {
    give(outcomes, keyCount);
    setOption(OUTCOMES, 0, 0);
    if (!load<u32>(CALL, CALL_PARTIAL)) {
      give(counts, (<usize>bags) << 2);
      setOption(COUNTS, 0, 0);
    }
  }
  return done();
}

/** Rows of keys u32 [count] as f32. */
export function gather(table: usize, keys: usize, count: u32): usize {
  const dim = dimOf(table),
    bytes = (<u64>count * dim) << 2;
  let result: usize = 0;
  if (bytes > OUT_BYTES_MAX) result = failed(LIMIT_EXCEEDED, <u32>(bytes >> 20));
  else {
    const out = take(<usize>bytes),
      counts = take((<usize>count) << 2),
      outcomes = take(count);
    memory.fill(CALL, 0, CALL_BYTES);
    openCall(CALL, table, keys, count, out, counts, 0);
    store<u32>(CALL, outcomes, CALL_OUTCOMES);
    store<u32>(CALL, count, CALL_BAG_END);
    const status = gatherRows(CALL, NONE);
    give(counts, (<usize>count) << 2);
    give(outcomes, count);
    setList(VALUES, out, count * dim);
    result = done();
    if (status != DONE) {
      freeFloats(result);
      result = failed(INVALID_KEY, load<u32>(CALL, CALL_ERROR_POSITION));
    }
  }
  give(keys, (<usize>count) << 2);
  return result;
}
