// The component's indexes of ids, and de-duplication.
import {
  BUCKET_BYTES, BUCKET_KEYS, DEDUPE_HEADER_BYTES, INDEX_CAPACITY, INDEX_COUNT, INDEX_FULL, INDEX_HEADER_BYTES,
  INDEX_SCRATCH_BYTES,
} from '../../src/kernel/layout';
import { deduplicate as deduplicateKeys } from '../deduplicate';
import { indexClear, indexFind, indexInsert, indexRemove } from '../index';
import { give, take } from './memory';
import { done, failed, INVALID_TABLE, LIMIT_EXCEEDED, RESULT } from './result';

/** Most ids of one index: 715 MB. */
const CAPACITY_MAX: u32 = 33554432;
const SCRATCH = memory.data(INDEX_SCRATCH_BYTES, 16);

/** A handle's index: address as it was taken, bytes, and the aligned address behind. */
const INDEX_BYTES: usize = 16;

@inline function indexOf(handle: usize): usize { return load<u32>(handle, 8); }

/** @returns a handle, or 0 where `capacity` is more than any index has */
export function createIndex(capacity: u32): usize {
  if (capacity > CAPACITY_MAX) return 0;
  // At most 3 of 5 places are taken.
  const buckets = (capacity + 2) / 3 + 1, bytes = INDEX_HEADER_BYTES + <usize>buckets * BUCKET_BYTES + 64;
  const handle = take(INDEX_BYTES), address = take(bytes), index = (address + 63) & ~63;
  indexClear(index, buckets);
  store<u32>(handle, address);
  store<u32>(handle, bytes, 4);
  store<u32>(handle, index, 8);
  return handle;
}

export function freeIndex(handle: usize): void {
  give(load<u32>(handle), load<u32>(handle, 4));
  give(handle, INDEX_BYTES);
}

export function insert(handle: usize, ids: usize, count: u32, slots: usize, slotCount: u32): usize {
  let result = done();
  if (count != slotCount) result = failed(INVALID_TABLE, min(count, slotCount));
  else if (indexInsert(indexOf(handle), ids, slots, count, SCRATCH) == INDEX_FULL) result = failed(LIMIT_EXCEEDED, capacityOf(handle));
  give(ids, <usize>count << 3);
  give(slots, <usize>slotCount << 2);
  return result;
}

@inline function capacityOf(handle: usize): u32 { return load<u32>(indexOf(handle), INDEX_CAPACITY); }

export function count(handle: usize): u32 { return load<u32>(indexOf(handle), INDEX_COUNT); }

export function find(handle: usize, ids: usize, count: u32): usize {
  const slots = take(<usize>count << 2);
  indexFind(indexOf(handle), ids, slots, count, SCRATCH);
  return slotsOut(ids, slots, count);
}

export function remove(handle: usize, ids: usize, count: u32): usize {
  const slots = take(<usize>count << 2);
  indexRemove(indexOf(handle), ids, slots, count, SCRATCH);
  return slotsOut(ids, slots, count);
}

function slotsOut(ids: usize, slots: usize, count: u32): usize {
  give(ids, <usize>count << 3);
  store<u32>(RESULT, slots);
  store<u32>(RESULT, count, 4);
  return RESULT;
}

export function freeSlots(result: usize): void { give(load<u32>(result), <usize>load<u32>(result, 4) << 2); }

export function deduplicate(keys: usize, count: u32): usize {
  // Entries: a power of two, at most half of them taken.
  const entries: u32 = 1 << (33 - clz<u32>(count | 63)), bytes = DEDUPE_HEADER_BYTES + (<usize>entries << 2);
  const unique = take(<usize>count << 3), inverse = take(<usize>count << 2), table = take(bytes);
  memory.fill(table, 0, bytes);
  const found = count ? deduplicateKeys(keys, count, unique, inverse, table, entries) : 0;
  give(table, bytes);
  give(keys, <usize>count << 3);
  store<u32>(RESULT, unique);
  store<u32>(RESULT, found, 4);
  store<u32>(RESULT, inverse, 8);
  store<u32>(RESULT, count, 12);
  return RESULT;
}

export function freeDeduplicated(result: usize): void {
  // As many bytes as there were keys.
  give(load<u32>(result), <usize>load<u32>(result, 12) << 3);
  give(load<u32>(result, 8), <usize>load<u32>(result, 12) << 2);
}
