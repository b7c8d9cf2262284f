// The component's indexes of ids, and de-duplication.
import {
  BUCKET_BYTES, DEDUPE_HEADER_BYTES, INDEX_CAPACITY, INDEX_COUNT, INDEX_HEADER_BYTES, INDEX_SCRATCH_BYTES, NONE,
} from '../../src/kernel/layout';
import { deduplicate as deduplicateKeys } from '../deduplicate';
import { indexClear, indexFind, indexInsert, indexRemove } from '../index';
import { give, take } from './memory';
import { done, failed, INVALID_OPTION, LIMIT_EXCEEDED, RESULT } from './result';

/** Most ids of one index: 715 MB. */
const CAPACITY_MAX: u32 = 33554432;
const SCRATCH = memory.data(INDEX_SCRATCH_BYTES, 16);

/** Bytes of a handle: the address of the index as allocated, its bytes, and its aligned address. */
const INDEX_BYTES: usize = 16;

@inline function indexOf(handle: usize): usize { return load<u32>(handle, 8); }

/** @returns a handle, or 0 if `capacity` is larger than CAPACITY_MAX */
export function createIndex(capacity: u32): usize {
  if (capacity > CAPACITY_MAX) return 0;
  // At most 3 of 5 places are taken.
  const buckets = (capacity + 2) / 3 + 1, bytes = INDEX_HEADER_BYTES + <usize>buckets * BUCKET_BYTES + 64;
  const handle = take(INDEX_BYTES), address = take(bytes), index = (address + 63) & ~63;
  indexClear(index, buckets);
  store<u32>(index, capacity, INDEX_CAPACITY);
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
  const index = indexOf(handle), wrong = count == slotCount ? positionOfNone(slots, count) : min(count, slotCount);
  let result = done();
  if (count != slotCount || wrong < count) result = failed(INVALID_OPTION, wrong);
  else if (!hasRoom(index, ids, count)) result = failed(LIMIT_EXCEEDED, load<u32>(index, INDEX_CAPACITY));
  else indexInsert(index, ids, slots, count, SCRATCH);
  give(ids, <usize>count << 3);
  give(slots, <usize>slotCount << 2);
  return result;
}

/** @returns the position of the first slot that is NONE, which marks a free place, or `count` if no slot is NONE */
function positionOfNone(slots: usize, count: u32): u32 {
  let position: u32 = 0;
  while (position < count && load<u32>(slots + (<usize>position << 2)) != NONE) position++;
  return position;
}

/** Whether the index has space for all ids that are new. This is checked before any of them is inserted. */
function hasRoom(index: usize, ids: usize, count: u32): bool {
  const room = load<u32>(index, INDEX_CAPACITY) - load<u32>(index, INDEX_COUNT);
  if (count <= room) return true;
  const unique = take(<usize>count << 3), slots = take(<usize>count << 2), found = uniqueOf(ids, count, unique, slots);
  indexFind(index, unique, slots, found, SCRATCH);
  let fresh: u32 = 0;
  for (let i: usize = 0; i < <usize>found; i++) fresh += u32(load<u32>(slots + (i << 2)) == NONE);
  give(unique, <usize>count << 3);
  give(slots, <usize>count << 2);
  return fresh <= room;
}

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

/** @returns how many are unique */
function uniqueOf(keys: usize, count: u32, unique: usize, inverse: usize): u32 {
  if (count == 0) return 0;
  // Entries: a power of two, at most half of them taken.
  const entries: u32 = 1 << (33 - clz<u32>(count | 63)), bytes = DEDUPE_HEADER_BYTES + (<usize>entries << 2);
  const table = take(bytes);
  memory.fill(table, 0, bytes);
  const found = deduplicateKeys(keys, count, unique, inverse, table, entries);
  give(table, bytes);
  return found;
}

export function deduplicate(keys: usize, count: u32): usize {
  const unique = take(<usize>count << 3), inverse = take(<usize>count << 2), found = uniqueOf(keys, count, unique, inverse);
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
