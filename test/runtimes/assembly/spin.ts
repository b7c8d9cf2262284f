// The problem for throughput: sums of bags of equal size over many rows.
import {
  CALL_BAG_END, CALL_BYTES, CALL_COUNTS, CALL_DIM, CALL_DTYPE, CALL_OUTCOMES, CALL_FINITE, CALL_KEY_BYTES, CALL_KEY_COUNT,
  CALL_KEYS, CALL_LAST_SHARD, CALL_OFFSETS, CALL_OUT, CALL_PADDING, CALL_ROW_BYTES, CALL_ROWS, CALL_SCRATCH, CALL_TABLE,
  CALL_TABLE_ROWS, CALL_TOUCH, NONE, SCRATCH_BYTES,
} from '../../../src/kernel/layout';
import {
  IMAGE, IMAGE_BUDGET, IMAGE_MERGES, IMAGE_POOL_BLOCKS, IMAGE_POOLS, SPIN_BAG_KEYS, SPIN_BAGS, SPIN_DIM, SPIN_ROWS,
} from '../image';
import { below, seed } from './random';
import { drawRow, PLAIN, rowBytes } from './values';

/** Writes the problem to memory, with rows in `dtype`. */
export function prepare(dtype: u32): void {
  seed(1);
  const bytes = rowBytes(dtype, SPIN_DIM), keyCount: u32 = SPIN_BAGS * SPIN_BAG_KEYS;
  const call: usize = IMAGE + 64, scratch = call + CALL_BYTES, keys = scratch + SCRATCH_BYTES;
  const offsets = keys + (keyCount << 2), counts = offsets + ((SPIN_BAGS + 1) << 2), outcomes = counts + (SPIN_BAGS << 2);
  const out = (outcomes + keyCount + 63) & ~63, table = out + ((SPIN_BAGS * SPIN_DIM) << 2);
  while (<usize>memory.size() << 16 < table + SPIN_ROWS * bytes) if (memory.grow(1) < 0) unreachable();
  memory.fill(IMAGE, 0, table - IMAGE);
  for (let row: u32 = 0; row < <u32>SPIN_ROWS; row++) drawRow(table + row * bytes, bytes, dtype, SPIN_DIM, PLAIN);
  for (let i: u32 = 0; i < keyCount; i++) store<u32>(keys + (i << 2), below(SPIN_ROWS));
  for (let bag: u32 = 0; bag <= <u32>SPIN_BAGS; bag++) store<u32>(offsets + (bag << 2), bag * SPIN_BAG_KEYS);
  store<u32>(call, table, CALL_TABLE);
  store<u32>(call, SPIN_ROWS, CALL_ROWS);
  store<u32>(call, SPIN_ROWS, CALL_TABLE_ROWS);
  store<u32>(call, bytes, CALL_ROW_BYTES);
  store<u32>(call, SPIN_DIM, CALL_DIM);
  store<u32>(call, dtype, CALL_DTYPE);
  store<u32>(call, 1, CALL_FINITE);
  store<u32>(call, 1, CALL_TOUCH);
  store<u32>(call, keys, CALL_KEYS);
  store<u32>(call, 4, CALL_KEY_BYTES);
  store<u32>(call, keyCount, CALL_KEY_COUNT);
  store<u32>(call, offsets, CALL_OFFSETS);
  store<u32>(call, SPIN_BAGS, CALL_BAG_END);
  store<u32>(call, NONE, CALL_PADDING);
  store<u32>(call, 1, CALL_LAST_SHARD);
  store<u32>(call, out, CALL_OUT);
  store<u32>(call, counts, CALL_COUNTS);
  store<u32>(call, outcomes, CALL_OUTCOMES);
  store<u32>(call, scratch, CALL_SCRATCH);
  store<u32>(IMAGE, 1, IMAGE_POOLS);
  store<u32>(IMAGE, call, IMAGE_POOL_BLOCKS);
  store<u32>(IMAGE, NONE, IMAGE_BUDGET);
  store<u32>(IMAGE, 0, IMAGE_MERGES);
}
