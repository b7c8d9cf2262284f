// A cache of pooled bags. Entries are in a circular log: new ones go to its head, and what is at its tail makes room,
// unless it is pinned, or was used and so has a chance: then it goes to the head again. An entry holds its keys and weights, which are
// compared in full, so no choice of keys answers one bag with the vector of another.

import {
  CACHE_BUCKET_BYTES, CACHE_BUCKET_COUNT, CACHE_BUCKET_ENTRIES, CACHE_BUCKET_PLACES, CACHE_BUCKETS, CACHE_END, CACHE_ENTRIES,
  CACHE_CHANCES_MAX, CACHE_EVICTED, CACHE_FILLED, CACHE_HEAD, CACHE_KEPT, CACHE_KEPT_MAX, CACHE_LOG, CACHE_LOG_BYTES,
  CACHE_NEXT_BUCKET_COUNT, CACHE_SPLIT, CACHE_TAIL, CACHE_TOUCHED, CACHE_USED, CACHED_KEYS_MAX, ENTRY_HASH, ENTRY_KEY_BYTES, ENTRY_KEY_COUNT,
  ENTRY_KEYS, ENTRY_TABLE, ENTRY_TAG, ENTRY_UNITS, ENTRY_CHANCES, ENTRY_WEIGHTED,
} from '../src/kernel/cache-layout';
import { share } from './hash';
import { isPinned, pinEntry, unpin } from './pins';
import { isSame } from './words';

@inline export function logOf(cache: usize): usize { return load<u32>(cache, CACHE_LOG); }

/** Adds to a counter of the cache. */
@inline export function count(cache: usize, field: usize, by: u64): void {
  store<u64>(cache + field, load<u64>(cache + field) + by);
}

/** Whether bags of so many keys are cached. */
@inline export function isCachable(keys: u32): bool { return keys - 1 < <u32>CACHED_KEYS_MAX; }

@inline export function bucketOf(cache: usize, low: u32): usize {
  let bucket = share(low, load<u32>(cache, CACHE_BUCKET_COUNT));
  // A growing cache has other buckets from here on.
  if (bucket >= load<u32>(cache, CACHE_SPLIT)) bucket = share(low, load<u32>(cache, CACHE_NEXT_BUCKET_COUNT));
  return load<u32>(cache, CACHE_BUCKETS) + <usize>bucket * CACHE_BUCKET_BYTES;
}
@inline export function placeAt(bucket: usize, i: u32): usize { return bucket + CACHE_BUCKET_PLACES + (<usize>i << 2); }
@inline export function entryAt(cache: usize, place: u32): usize { return logOf(cache) + (<usize>(place - 1) << 4); }

/** Where the vector of an entry begins, in bytes from its start. @param followed TABLE_FOLLOWED: a tick is before it */
@inline export function vectorAt(keys: u32, keyBytes: u32, weighted: bool, followed: u32): usize {
  return (ENTRY_KEYS + <usize>keys * (keyBytes + (weighted ? 4 : 0)) + (<usize>followed << 2) + 15) & ~15;
}

/** The entry of a bag, or 0. */
export function findEntry(
  cache: usize, table: u32, low: u32, tag: u32, keys: usize, count: u32, keyBytes: u32, weights: usize,
): usize {
  const bucket = bucketOf(cache, low), wanted = i32x4.splat(tag);
  let found = i32x4.bitmask(i32x4.eq(v128.load(bucket), wanted));
  found |= i32x4.bitmask(i32x4.eq(v128.load(bucket, 16), wanted)) << 4;
  for (; found; found &= found - 1) {
    const place = load<u32>(placeAt(bucket, ctz(found)));
    if (!place) continue;
    const entry = entryAt(cache, place);
    if (isOf(entry, table, keys, count, keyBytes, weights)) return entry;
  }
  return 0;
}

export function isOf(entry: usize, table: u32, keys: usize, count: u32, keyBytes: u32, weights: usize): bool {
  if (load<u32>(entry, ENTRY_TABLE) != table || <u32>load<u16>(entry, ENTRY_KEY_COUNT) != count) return false;
  if (<u32>load<u8>(entry, ENTRY_KEY_BYTES) != keyBytes || load<u8>(entry, ENTRY_WEIGHTED) != u8(weights != 0)) return false;
  const bytes = <usize>count * keyBytes;
  if (!isSame(entry + ENTRY_KEYS, keys, bytes)) return false;
  return !weights || isSame(entry + ENTRY_KEYS + bytes, weights, <usize>count << 2);
}

/** The place in its bucket that refers to an entry, or 0 if none does any more. */
function referenceTo(cache: usize, entry: usize): usize {
  const bucket = bucketOf(cache, load<u32>(entry, ENTRY_HASH)), place = <u32>((entry - logOf(cache)) >> 4) + 1;
  for (let i: u32 = 0; i < <u32>CACHE_BUCKET_ENTRIES; i++) if (load<u32>(placeAt(bucket, i)) == place) return placeAt(bucket, i);
  return 0;
}

@inline function freeBytes(cache: usize): u32 { return load<u32>(cache, CACHE_LOG_BYTES) - load<u32>(cache, CACHE_USED); }

/** Bytes that an entry takes at the head: with the rest of the log, if it does not fit there. */
@inline function bytesAtHead(cache: usize, bytes: u32): u32 {
  const left = load<u32>(cache, CACHE_LOG_BYTES) - load<u32>(cache, CACHE_HEAD);
  return left < bytes ? left + bytes : bytes;
}

/** Whether an entry fits without the place of another. */
export function hasRoom(cache: usize, bytes: u32): bool { return freeBytes(cache) >= bytesAtHead(cache, bytes); }

/** Takes bytes at the head, which are free. @returns their address */
function takeAtHead(cache: usize, bytes: u32): usize {
  const head = load<u32>(cache, CACHE_HEAD), taken = bytesAtHead(cache, bytes), at = taken > bytes ? 0 : head;
  if (taken > bytes) store<u32>(cache, head, CACHE_END);
  const next = at + bytes;
  if (<u32>next > load<u32>(cache, CACHE_TOUCHED)) store<u32>(cache, next, CACHE_TOUCHED);
  store<u32>(cache, next == load<u32>(cache, CACHE_LOG_BYTES) ? 0 : next, CACHE_HEAD);
  store<u32>(cache, load<u32>(cache, CACHE_USED) + taken, CACHE_USED);
  return logOf(cache) + at;
}

/** Frees bytes at the tail, and what is empty after them. */
function freeAtTail(cache: usize, bytes: u32): void {
  const all = load<u32>(cache, CACHE_LOG_BYTES);
  let tail = load<u32>(cache, CACHE_TAIL) + bytes, freed = bytes;
  if (tail == load<u32>(cache, CACHE_END)) {
    freed += all - tail;
    tail = 0;
    store<u32>(cache, all, CACHE_END);
  }
  store<u32>(cache, tail, CACHE_TAIL);
  store<u32>(cache, load<u32>(cache, CACHE_USED) - freed, CACHE_USED);
}

/**
 * Takes the oldest entry from the tail. If it is pinned or has a chance left, it goes to the head again, where it needs no
 * more room than it has just left.
 * @param kept how many have gone there @returns how many then; only pinned ones go there once CACHE_KEPT_MAX have
 */
function evictOldest(cache: usize, kept: u32): u32 {
  const entry = logOf(cache) + load<u32>(cache, CACHE_TAIL), bytes = <u32>load<u16>(entry, ENTRY_UNITS) << 4;
  const reference = referenceTo(cache, entry), chances = load<u8>(entry, ENTRY_CHANCES), pinned = isPinned(cache, entry);
  freeAtTail(cache, bytes);
  if (!reference) {
    // Another entry has taken its place in a full bucket.
    if (pinned) unpin(cache, entry, bytes);
    return kept;
  }
  if (pinned || (chances && kept < <u32>CACHE_KEPT_MAX)) {
    if (!pinned) store<u8>(entry, chances - 1, ENTRY_CHANCES);
    const to = takeAtHead(cache, bytes);
    memory.copy(to, entry, bytes);
    store<u32>(reference, <u32>((to - logOf(cache)) >> 4) + 1);
    count(cache, CACHE_KEPT, 1);
    return kept + 1;
  }
  store<u32>(reference, 0);
  store<u32>(cache, load<u32>(cache, CACHE_ENTRIES) - 1, CACHE_ENTRIES);
  count(cache, CACHE_EVICTED, 1);
  return kept;
}

/**
 * Adds the entry of a bag that has none. The caller writes its vector.
 * @param followed TABLE_FOLLOWED @param pin TABLE_PIN @returns its address, or 0 if it is too large for the log, or there are too many pinned entries at its tail
 */
export function addEntry(
  cache: usize, table: u32, low: u32, tag: u32, keys: usize, keyCount: u32, keyBytes: u32, weights: usize, dim: u32, followed: u32,
  pin: u32,
): usize {
  const bytes = (<u32>vectorAt(keyCount, keyBytes, weights != 0, followed) + (dim << 2) + 15) & ~15;
  if (bytes > load<u32>(cache, CACHE_LOG_BYTES) >> 2) return 0;
  for (let kept: u32 = 0; !hasRoom(cache, bytes); kept = evictOldest(cache, kept)) if (kept > <u32>CACHE_KEPT_MAX) return 0;
  const entry = takeAtHead(cache, bytes), used = <usize>keyCount * keyBytes;
  store<u16>(entry, <u16>(bytes >> 4), ENTRY_UNITS);
  store<u16>(entry, <u16>keyCount, ENTRY_KEY_COUNT);
  store<u32>(entry, low, ENTRY_HASH);
  store<u32>(entry, tag, ENTRY_TAG);
  store<u32>(entry, table, ENTRY_TABLE);
  store<u32>(entry, 0, ENTRY_CHANCES);
  store<u8>(entry, u8(weights != 0), ENTRY_WEIGHTED);
  store<u8>(entry, <u8>keyBytes, ENTRY_KEY_BYTES);
  pinEntry(cache, entry, pin, bytes);
  memory.copy(entry + ENTRY_KEYS, keys, used);
  if (weights) memory.copy(entry + ENTRY_KEYS + used, weights, <usize>keyCount << 2);
  refer(cache, bucketOf(cache, low), tag, <u32>((entry - logOf(cache)) >> 4) + 1);
  count(cache, CACHE_FILLED, 1);
  return entry;
}

/** What a bucket would lose with an entry. @param place 0: nothing */
@inline function worthOf(cache: usize, place: u32): u32 {
  if (!place) return 0;
  const entry = entryAt(cache, place), chances = <u32>load<u8>(entry, ENTRY_CHANCES);
  return 1 + (isPinned(cache, entry) ? CACHE_CHANCES_MAX + 1 : chances);
}

/** Lets a bucket refer to an entry. If the bucket is full, it forgets one of those with the fewest chances. */
export function refer(cache: usize, bucket: usize, tag: u32, place: u32): void {
  let chosen: u32 = 0, least: u32 = u32.MAX_VALUE;
  for (let i: u32 = 0; i < <u32>CACHE_BUCKET_ENTRIES && least; i++) {
    const at = (tag + i) & (CACHE_BUCKET_ENTRIES - 1), worth = worthOf(cache, load<u32>(placeAt(bucket, at)));
    if (worth >= least) continue;
    least = worth;
    chosen = at;
  }
  store<u32>(bucket + (<usize>chosen << 2), tag);
  store<u32>(placeAt(bucket, chosen), place);
  if (!least) store<u32>(cache, load<u32>(cache, CACHE_ENTRIES) + 1, CACHE_ENTRIES);
  else count(cache, CACHE_EVICTED, 1);
}
