// Tables: the description of rows that were passed in. Layout: address, bytes, rows, row bytes, dim, dtype, finite,
// each a u32.
import {
  CALL_COUNTS, CALL_DENOMINATORS, CALL_DIM, CALL_DTYPE, CALL_OUTCOMES, CALL_FINITE, CALL_KEY_BYTES, CALL_KEY_COUNT,
  CALL_KEYS, CALL_LAST_SHARD, CALL_OUT, CALL_PADDING, CALL_ROW_BYTES, CALL_ROWS, CALL_SCRATCH, CALL_TABLE,
  CALL_TABLE_ROWS, CALL_TOUCH, NONE, SCRATCH_BYTES,
} from '../../src/kernel/layout';
import { rowsFinite } from '../encode';
import { rowBytesOf } from '../rows';
import { give, take } from './memory';
import { FINE, INVALID_TABLE } from './result';

const DIM_MAX: u32 = 4096;
/** Smaller tables stay in the cache, so their rows are not touched before they are folded. */
const UNTOUCHED_BYTES_MAX: u32 = 4194304;
const BYTES = 4, ROWS = 8, ROW_BYTES = 12, DIM = 16, DTYPE = 20, FINITE = 24;
export const TABLE_BYTES: usize = 32;

/** Describes the rows at `rows`. @returns FINE, or INVALID_TABLE */
export function describe(table: usize, dtype: u32, dim: u32, rows: usize, bytes: u32): u32 {
  const rowBytes = rowBytesOf(dtype, dim);
  if (dim == 0 || dim > DIM_MAX || bytes % rowBytes) return INVALID_TABLE;
  store<u32>(table, rows);
  store<u32>(table, bytes, BYTES);
  store<u32>(table, bytes / rowBytes, ROWS);
  store<u32>(table, rowBytes, ROW_BYTES);
  store<u32>(table, dim, DIM);
  store<u32>(table, dtype, DTYPE);
  store<u32>(table, u32(rowsFinite(rows, dtype, bytes / rowBytes, dim)), FINITE);
  return FINE;
}

@inline export function dimOf(table: usize): u32 { return load<u32>(table, DIM); }

export function free(table: usize): void {
  give(load<u32>(table), load<u32>(table, BYTES));
  give(table, TABLE_BYTES);
}

const SCRATCH = memory.data(SCRATCH_BYTES, 16);

/** Fills in the fields of a call block for a table and u32 keys, except those that are 0. */
export function openCall(call: usize, table: usize, keys: usize, count: u32, out: usize, counts: usize, denominators: usize): void {
  store<u32>(call, load<u32>(table), CALL_TABLE);
  store<u32>(call, load<u32>(table, ROWS), CALL_ROWS);
  store<u32>(call, load<u32>(table, ROWS), CALL_TABLE_ROWS);
  store<u32>(call, load<u32>(table, ROW_BYTES), CALL_ROW_BYTES);
  store<u32>(call, dimOf(table), CALL_DIM);
  store<u32>(call, load<u32>(table, DTYPE), CALL_DTYPE);
  store<u32>(call, load<u32>(table, FINITE), CALL_FINITE);
  store<u32>(call, u32(load<u32>(table, BYTES) > UNTOUCHED_BYTES_MAX), CALL_TOUCH);
  store<u32>(call, keys, CALL_KEYS);
  store<u32>(call, 4, CALL_KEY_BYTES);
  store<u32>(call, count, CALL_KEY_COUNT);
  store<u32>(call, NONE, CALL_PADDING);
  store<u32>(call, 1, CALL_LAST_SHARD);
  store<u32>(call, out, CALL_OUT);
  store<u32>(call, counts, CALL_COUNTS);
  store<u32>(call, denominators, CALL_DENOMINATORS);
  store<u32>(call, SCRATCH, CALL_SCRATCH);
}
