// Gathering: each key's row as f32, unpooled. A key that is not this shard's leaves count 0 and zeros.

import {
  CALL_BAG, CALL_BAG_END, CALL_COUNTS, CALL_DIM, CALL_DTYPE, CALL_KEY_COUNT, CALL_ERROR_POSITION, CALL_OUT, CALL_ROW_BYTES,
  CALL_TOUCH, BAD_OFFSETS, DONE, F16, F32, INT8, MORE,
} from '../src/kernel/layout';
import { groupKeysOf, groupRows, keptBefore, resolve, resolvePlain, touch } from './group';
import { copyRow } from './fold';
import { F16Rows, F32Rows, Int4Rows, Int8Rows } from './rows';

/**
 * Writes out[k] = row of key k, for keys [BAG, BAG_END) of a call block, and counts[k] = 1 where there was one.
 * @param budget keys to handle before returning MORE
 * @returns DONE, MORE, BAD_KEY, or BAD_OFFSETS where BAG_END is past the keys
 */
export function gather(call: usize, budget: u32): i32 {
  const end = load<u32>(call, CALL_BAG_END), groupKeys = groupKeysOf(call);
  if (end > load<u32>(call, CALL_KEY_COUNT)) {
    store<u32>(call, end, CALL_ERROR_POSITION);
    return BAD_OFFSETS;
  }
  for (let left = budget; load<u32>(call, CALL_BAG) < end;) {
    if (left == 0) return MORE;
    const first = load<u32>(call, CALL_BAG);
    const count = min<u32>(min<u32>(groupKeys, left), end - first);
    const plain = resolvePlain(call, first, count);
    if (!plain) {
      const status = resolve(call, first, count);
      if (status != DONE) return status;
    }
    gatherGroup(call, first, count, plain);
    store<u32>(call, first + count, CALL_BAG);
    left -= count;
  }
  return DONE;
}

function gatherGroup(call: usize, first: u32, count: u32, plain: bool): void {
  const dim = load<u32>(call, CALL_DIM), dtype = load<u32>(call, CALL_DTYPE), rows = groupRows(call);
  const counts = load<u32>(call, CALL_COUNTS) + (<usize>first << 2);
  const out = load<u32>(call, CALL_OUT) + <usize>first * (dim << 2);
  if (load<u32>(call, CALL_TOUCH)) {
    const kept = plain ? count : keptBefore(call, count);
    touch(rows, rows + (<usize>kept << 2), load<u32>(call, CALL_ROW_BYTES));
  }
  for (let i: u32 = 0; i < count; i++) {
    const from = plain ? i : keptBefore(call, i), found: u32 = plain ? 1 : keptBefore(call, i + 1) - from;
    const target = out + <usize>i * (dim << 2);
    store<u32>(counts + (<usize>i << 2), found);
    if (!found) memory.fill(target, 0, dim << 2);
    else decodeRow(dtype, load<u32>(rows + (<usize>from << 2)), dim, target);
  }
}

function decodeRow(dtype: u32, row: usize, dim: usize, out: usize): void {
  if (dtype == F32) copyRow<F32Rows>(row, dim, out);
  else if (dtype == F16) copyRow<F16Rows>(row, dim, out);
  else if (dtype == INT8) copyRow<Int8Rows>(row, dim, out);
  else copyRow<Int4Rows>(row, dim, out);
}
