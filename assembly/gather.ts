// Gathering: writes the row of each key without pooling, as f32 or as its stored bytes. For a key of another shard, it
// writes count 0 and zeros.

import {
  BAD_OFFSETS, CALL_BAG, CALL_BAG_END, CALL_COUNTS, CALL_DIM, CALL_DTYPE, CALL_ERROR_POSITION, CALL_KEPT,
  CALL_KEY_COUNT, CALL_OUT, CALL_ROW_BYTES, DONE, F16, F32, INT8, MORE,
} from '../src/kernel/layout';
import { copyRow } from './fold';
import { groupKeysOf, openRows } from './group';
import { F16Rows, F32Rows, Int4Rows, Int8Rows } from './rows';
import { groupOf, keptBefore, openScratch, rowsOf } from './scratch';

/**
 * Writes out[k] = row of key k, for keys [BAG, BAG_END) of a call block, and counts[k] = 1 if there is one, or 0.
 * @param budget keys to handle before returning MORE
 * @returns DONE, MORE, BAD_KEY, or BAD_OFFSETS if BAG_END is larger than the number of keys
 */
export function gather(call: usize, budget: u32): i32 {
  return eachGroup(call, budget, false);
}

/** As gather, but writes the stored bytes of the rows: out is u8 [keys, row bytes]. */
export function fetch(call: usize, budget: u32): i32 {
  return eachGroup(call, budget, true);
}

function eachGroup(call: usize, budget: u32, stored: bool): i32 {
  const end = load<u32>(call, CALL_BAG_END), groupKeys = groupKeysOf(call);
  if (end > load<u32>(call, CALL_KEY_COUNT)) {
    store<u32>(call, end, CALL_ERROR_POSITION);
    return BAD_OFFSETS;
  }
  openScratch(call);
  for (let left = budget; load<u32>(call, CALL_BAG) < end;) {
    if (left == 0) return MORE;
    const first = load<u32>(call, CALL_BAG);
    const count = min<u32>(min<u32>(groupKeys, left), end - first);
    const status = openRows(call, first, count);
    if (status != DONE) return status;
    if (stored) fetchGroup(call, first, count);
    else copyGroup(call, first, count);
    store<u32>(call, first + count, CALL_BAG);
    left -= count;
  }
  return DONE;
}

function copyGroup(call: usize, first: u32, count: u32): void {
  const dim = load<u32>(call, CALL_DIM), dtype = load<u32>(call, CALL_DTYPE), group = groupOf(call);
  const plain = load<u32>(call, CALL_KEPT) == count;
  let found = load<u32>(call, CALL_COUNTS) + (<usize>first << 2);
  let out = load<u32>(call, CALL_OUT) + <usize>first * (dim << 2);
  for (let i: u32 = 0; i < count; i++) {
    const index = plain ? i : keptBefore(group, i), kept: u32 = plain ? 1 : keptBefore(group, i + 1) - index;
    store<u32>(found, kept);
    if (!kept) memory.fill(out, 0, dim << 2);
    else if (dtype == F32) copyRow<F32Rows>(group, index, dim, out);
    else if (dtype == F16) copyRow<F16Rows>(group, index, dim, out);
    else if (dtype == INT8) copyRow<Int8Rows>(group, index, dim, out);
    else copyRow<Int4Rows>(group, index, dim, out);
    found += 4;
    out += <usize>dim << 2;
  }
}

function fetchGroup(call: usize, first: u32, count: u32): void {
  const rowBytes = <usize>load<u32>(call, CALL_ROW_BYTES), group = groupOf(call);
  const plain = load<u32>(call, CALL_KEPT) == count;
  let found = load<u32>(call, CALL_COUNTS) + (<usize>first << 2), out = load<u32>(call, CALL_OUT) + first * rowBytes;
  for (let i: u32 = 0; i < count; i++, found += 4, out += rowBytes) {
    const index = plain ? i : keptBefore(group, i), kept: u32 = plain ? 1 : keptBefore(group, i + 1) - index;
    store<u32>(found, kept);
    if (kept) memory.copy(out, load<u32>(rowsOf(group, index)), rowBytes);
    else memory.fill(out, 0, rowBytes);
  }
}
