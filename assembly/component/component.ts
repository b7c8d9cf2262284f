// The exports of the component, before build.ts renames them: the kernels with the interface of wasm/flexemr.wit.
import { createIndex, freeIndex } from './keys';
import { give, take } from './memory';
import { pool } from './pooling';
import { done, FINE, failed, INVALID_TABLE, LIMIT_EXCEEDED, RESULT } from './result';
import { describe, free, TABLE_BYTES } from './table';

export { count, deduplicate, find, freeDeduplicated, freeIndex, freeSlots, insert, remove } from './keys';
export { realloc } from './memory';
export { merge } from './merging';
export { gather, pool } from './pooling';
export { freeFloats, freePooled } from './result';
export { free as freeTable } from './table';

@external('cm32p2|_ex_flexemr:kernels/pooling@0.1', 'table_new') declare function newTable(rep: usize): u32;
@external('cm32p2|_ex_flexemr:kernels/pooling@0.1', 'key-index_new') declare function newKeyIndex(rep: usize): u32;

function handed(handle: u32): usize {
  store<u32>(RESULT, handle, 4);
  return done();
}

/** The rows stay in the memory in which they were passed. */
export function createTable(dtype: u32, dim: u32, rows: usize, bytes: u32): usize {
  const table = take(TABLE_BYTES), code = describe(table, dtype, dim, rows, bytes);
  if (code == FINE) return handed(newTable(table));
  give(table, TABLE_BYTES);
  give(rows, bytes);
  return failed(code, 0);
}

export function createKeyIndex(capacity: u32): usize {
  const index = createIndex(capacity);
  return index ? handed(newKeyIndex(index)) : failed(LIMIT_EXCEEDED, capacity);
}

const CALL_TABLE_RECORD = memory.data(32, 16);

/** Pools rows that are passed with the call. */
export function poolRows(
  dtype: u32, dim: u32, rows: usize, bytes: u32, keys: usize, keyCount: u32, offsets: usize, offsetCount: u32,
  weighted: u32, weights: usize, weightCount: u32, mode: u32, padded: u32, padding: u32, missing: u32, partial: u32,
): usize {
  let result: usize = 0;
  if (describe(CALL_TABLE_RECORD, dtype, dim, rows, bytes) == FINE) {
    result = pool(CALL_TABLE_RECORD, keys, keyCount, offsets, offsetCount, weighted, weights, weightCount, mode, padded, padding, missing, partial);
  } else {
    result = failed(INVALID_TABLE, 0);
    give(keys, <usize>keyCount << 2);
    give(offsets, <usize>offsetCount << 2);
    if (weighted) give(weights, <usize>weightCount << 2);
  }
  give(rows, bytes);
  return result;
}

export function initialize(): void {}
