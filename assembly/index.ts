// The key index: maps u64 keys to u32 slots. A batch is handled in chunks. Each chunk is handled in passes, so that its
// cache misses overlap: hash all keys, touch all buckets, compare all keys, then find the few keys that overflowed.

import {
  BUCKET_BYTES, BUCKET_KEYS, BUCKET_PASSED, BUCKET_SLOTS, DONE, INDEX_BUCKETS, INDEX_CAPACITY, INDEX_CHUNK,
  INDEX_COUNT, INDEX_FULL, INDEX_HEADER_BYTES, NONE,
} from '../src/kernel/layout';
import { hash } from './hash';
import { touchEach } from './touch';

// Scratch: bucket address of each key of the chunk, then positions of the keys to look for in later buckets.
const SCRATCH_OVERFLOWED = INDEX_CHUNK * 4;

@inline function buckets(index: usize): usize { return index + INDEX_HEADER_BYTES; }
@inline function bucketsEnd(index: usize): usize {
  return buckets(index) + <usize>load<u32>(index, INDEX_BUCKETS) * BUCKET_BYTES;
}

/** Home bucket of a key: its hash as a fraction of the table. */
@inline function home(index: usize, count: u64, key: u64): usize {
  return buckets(index) + <usize>(((hash(key) >> 32) * count) >> 32) * BUCKET_BYTES;
}

@inline function next(index: usize, bucket: usize): usize {
  bucket += BUCKET_BYTES;
  return bucket == bucketsEnd(index) ? buckets(index) : bucket;
}

/** Empties a table of `bucketCount` buckets at `index` (64-aligned). */
export function indexClear(index: usize, bucketCount: u32): void {
  memory.fill(index, 0, INDEX_HEADER_BYTES);
  store<u32>(index, bucketCount, INDEX_BUCKETS);
  store<u32>(index, <u32>(<u64>bucketCount * BUCKET_KEYS * 3 / 5), INDEX_CAPACITY);
  for (let bucket = buckets(index); bucket < bucketsEnd(index); bucket += BUCKET_BYTES) {
    memory.fill(bucket, 0xff, BUCKET_BYTES);
    store<u32>(bucket, 0, BUCKET_PASSED);
  }
}

/** Writes the home buckets of a chunk's keys to scratch, then loads from each of them. */
function approach(index: usize, keys: usize, count: u32, scratch: usize): void {
  const tableBuckets = <u64>load<u32>(index, INDEX_BUCKETS);
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(scratch + (<usize>i << 2), <u32>home(index, tableBuckets, load<u64>(keys + (<usize>i << 3))));
  }
  touchEach(scratch, scratch + (<usize>count << 2));
}

/** Slot of `key` in one bucket, or NONE. A free place has the slot NONE, so the key that it holds does not matter. */
@inline function slotIn(bucket: usize, key: u64): u32 {
  const wanted = i64x2.splat(key);
  const low = i64x2.eq(v128.load(bucket), wanted), high = i64x2.eq(v128.load(bucket, 16), wanted);
  const other = v128.not(i32x4.shuffle(low, high, 0, 2, 4, 6));
  let slots = v128.or(v128.load(bucket, BUCKET_SLOTS), other);
  slots = i32x4.min_u(slots, i32x4.shuffle(slots, slots, 2, 3, 0, 1));
  slots = i32x4.min_u(slots, i32x4.shuffle(slots, slots, 1, 0, 3, 2));
  const fifth = load<u64>(bucket, 32) == key ? load<u32>(bucket, BUCKET_SLOTS + 16) : NONE;
  return min<u32>(i32x4.extract_lane(slots, 0), fifth);
}

/** Writes the slot of each key, or NONE. @param scratch INDEX_SCRATCH_BYTES */
export function indexFind(index: usize, keys: usize, slots: usize, count: u32, scratch: usize): void {
  while (count) {
    const chunk = min<u32>(count, INDEX_CHUNK);
    approach(index, keys, chunk, scratch);
    findChunk(index, keys, slots, chunk, scratch);
    keys += <usize>chunk << 3;
    slots += <usize>chunk << 2;
    count -= chunk;
  }
}

function findChunk(index: usize, keys: usize, slots: usize, count: u32, scratch: usize): void {
  const overflowed = scratch + SCRATCH_OVERFLOWED;
  let last = overflowed;
  for (let i: u32 = 0; i < count; i++) {
    const bucket = <usize>load<u32>(scratch + (<usize>i << 2));
    const slot = slotIn(bucket, load<u64>(keys + (<usize>i << 3)));
    store<u32>(slots + (<usize>i << 2), slot);
    store<u32>(last, i);
    last += <usize>(<u32>(slot == NONE) & <u32>(load<u32>(bucket, BUCKET_PASSED) != 0)) << 2;
  }
  for (let at = overflowed; at < last; at += 4) {
    const i = <usize>load<u32>(at), key = load<u64>(keys + (i << 3));
    const bucket = bucketOf(index, next(index, load<u32>(scratch + (i << 2))), key);
    if (bucket) store<u32>(slots + (i << 2), slotIn(bucket, key));
  }
}

/** The bucket that holds `key`, from `bucket` on, or 0. */
function bucketOf(index: usize, bucket: usize, key: u64): usize {
  for (let left = load<u32>(index, INDEX_BUCKETS); left; left--) {
    if (slotIn(bucket, key) != NONE) return bucket;
    if (load<u32>(bucket, BUCKET_PASSED) == 0) return 0;
    bucket = next(index, bucket);
  }
  return 0;
}

/** Place of `key`, or of a free place if `free`, within a bucket (0…4). BUCKET_KEYS if there is none. */
@inline function placeIn(bucket: usize, key: u64, free: bool): u32 {
  let place: u32 = 0;
  for (; place < <u32>BUCKET_KEYS; place++) {
    const empty = load<u32>(bucket + BUCKET_SLOTS + (place << 2)) == NONE;
    if (free ? empty : !empty && load<u64>(bucket + (place << 3)) == key) break;
  }
  return place;
}

/**
 * Sets the slot of each key (not NONE), adding keys that are new.
 * @returns DONE, or INDEX_FULL if a new key does not fit. Keys before it stay; inserting them again is harmless
 */
export function indexInsert(index: usize, keys: usize, slots: usize, count: u32, scratch: usize): i32 {
  while (count) {
    const chunk = min<u32>(count, INDEX_CHUNK);
    approach(index, keys, chunk, scratch);
    for (let i: u32 = 0; i < chunk; i++) {
      const bucket = load<u32>(scratch + (<usize>i << 2));
      const status = insert(index, bucket, load<u64>(keys + (<usize>i << 3)), load<u32>(slots + (<usize>i << 2)));
      if (status != DONE) return status;
    }
    keys += <usize>chunk << 3;
    slots += <usize>chunk << 2;
    count -= chunk;
  }
  return DONE;
}

function insert(index: usize, bucket: usize, key: u64, slot: u32): i32 {
  const holder = bucketOf(index, bucket, key);
  if (holder) {
    store<u32>(holder + BUCKET_SLOTS + (placeIn(holder, key, false) << 2), slot);
    return DONE;
  }
  const held = load<u32>(index, INDEX_COUNT);
  if (held >= load<u32>(index, INDEX_CAPACITY)) return INDEX_FULL;
  let place = placeIn(bucket, key, true);
  for (; place == BUCKET_KEYS; place = placeIn(bucket, key, true)) {
    store<u32>(bucket, load<u32>(bucket, BUCKET_PASSED) + 1, BUCKET_PASSED);
    bucket = next(index, bucket);
  }
  store<u64>(bucket + (place << 3), key);
  store<u32>(bucket + BUCKET_SLOTS + (place << 2), slot);
  store<u32>(index, held + 1, INDEX_COUNT);
  return DONE;
}

/** Removes each key and writes the slot it had, or NONE. */
export function indexRemove(index: usize, keys: usize, slots: usize, count: u32, scratch: usize): void {
  while (count) {
    const chunk = min<u32>(count, INDEX_CHUNK);
    approach(index, keys, chunk, scratch);
    for (let i: u32 = 0; i < chunk; i++) {
      const bucket = load<u32>(scratch + (<usize>i << 2));
      store<u32>(slots + (<usize>i << 2), remove(index, bucket, load<u64>(keys + (<usize>i << 3))));
    }
    keys += <usize>chunk << 3;
    slots += <usize>chunk << 2;
    count -= chunk;
  }
}

function remove(index: usize, bucket: usize, key: u64): u32 {
  const holder = bucketOf(index, bucket, key);
  if (!holder) return NONE;
  // The buckets that the key has passed count it no longer, so no tombstones are needed.
  for (; bucket != holder; bucket = next(index, bucket)) {
    store<u32>(bucket, load<u32>(bucket, BUCKET_PASSED) - 1, BUCKET_PASSED);
  }
  const slot = holder + BUCKET_SLOTS + (placeIn(holder, key, false) << 2), was = load<u32>(slot);
  store<u32>(slot, NONE);
  store<u32>(index, load<u32>(index, INDEX_COUNT) - 1, INDEX_COUNT);
  return was;
}

/**
 * Lists the entries of buckets [first, end). This is used to build a larger table.
 * @param keys,slots space for (end − first) × BUCKET_KEYS · @returns number of entries written
 */
export function indexEntries(index: usize, first: u32, end: u32, keys: usize, slots: usize): u32 {
  let count: u32 = 0;
  const stop = buckets(index) + <usize>min<u32>(end, load<u32>(index, INDEX_BUCKETS)) * BUCKET_BYTES;
  for (let bucket = buckets(index) + <usize>first * BUCKET_BYTES; bucket < stop; bucket += BUCKET_BYTES) {
    for (let place: usize = 0; place < <usize>BUCKET_KEYS; place++) {
      const slot = load<u32>(bucket + BUCKET_SLOTS + (place << 2));
      if (slot == NONE) continue;
      store<u64>(keys + (<usize>count << 3), load<u64>(bucket + (place << 3)));
      store<u32>(slots + (<usize>count << 2), slot);
      count++;
    }
  }
  return count;
}
