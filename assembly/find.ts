// Finds the entries of bags in the cache. Bags are handled together, in passes, so that their cache misses overlap: hash all
// bags, touch all buckets, compare all tags, touch all entries, and then compare all keys.

import { FEATURE_KEY_BYTES, FEATURE_KEYS, FEATURE_SENT_OFFSETS, FEATURE_WEIGHTS } from '../src/kernel/ask-layout';
import {
  CACHE_BUCKET_PLACES, CACHE_CHANCES_MAX, CACHE_SEED, CACHED_KEYS_MAX,
  ENTRY_CHANCES, ENTRY_KEY_COUNT, ENTRY_KEYS, ENTRY_TABLE, ENTRY_WEIGHTED, PROBED_ENTRIES,
} from '../src/kernel/cache-layout';
import { bucketOf, findEntry, isOf, logOf } from './cache';
import { hash } from './hash';
import { touchFilters } from './seen';
import { touchEach, touchEachAfter } from './touch';
import { hashOfWords } from './words';

/** So few bags have fewer cache misses at a time than the processor can wait for. */
const FEW: u32 = 16;

/**
 * Writes to work memory the hashes of some bags, and the address of the entry of each, or 0. An entry that is found gains a
 * chance.
 * @param number of their table @param first the first of the bags @param count at most PROBED_TOGETHER
 * @param reach bytes of an entry that are touched. Shorter entries may be at the end of the cache, so as many bytes must
 * follow it: those of a lookup do, which has memory for the vectors of its bags
 */
export function findEntries(cache: usize, feature: usize, number: u32, first: u32, count: u32, reach: u32, work: usize): void {
  const entries = work + PROBED_ENTRIES, end = entries + (<usize>count << 2);
  const offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS) + (<usize>first << 2);
  const keyBytes = load<u32>(feature, FEATURE_KEY_BYTES), weighted = load<u32>(feature, FEATURE_WEIGHTS);
  const ones = !weighted && areOnes(offsets, count), keys = load<u32>(feature, FEATURE_KEYS) + <usize>load<u32>(offsets) * keyBytes;
  if (!ones) hashBags(cache, feature, number, offsets, count, work);
  else if (keyBytes == 4) hashKeys<u32>(cache, number, keys, count, work);
  else hashKeys<u64>(cache, number, keys, count, work);
  touchEach(entries, end);
  // The filters are needed later, for bags without entries.
  if (count <= FEW) for (let i: u32 = 0; i < count; i++) touchFilters(cache, load<u32>(work + (<usize>i << 3)));
  compareTags(cache, count, work);
  for (let plus: u32 = 0; plus < reach - 1; plus += 64) touchEachAfter(entries, end, plus);
  touchEachAfter(entries, end, reach - 1);
  if (!ones) compareBags(cache, feature, number, offsets, count, work);
  else if (keyBytes == 4) compareKeys<u32>(cache, number, keys, count, work);
  else compareKeys<u64>(cache, number, keys, count, work);
}

/** Whether all bags have one key, as in most features. */
function areOnes(offsets: usize, count: u32): bool {
  const first = load<u32>(offsets);
  let other: u32 = 0;
  for (let i: u32 = 1; i <= count; i++) other |= load<u32>(offsets + (<usize>i << 2)) ^ (first + i);
  return !other;
}

/** As hashBags, for bags of one key. */
function hashKeys<K>(cache: usize, table: u32, keys: usize, count: u32, work: usize): void {
  const start = hash(load<u64>(cache, CACHE_SEED) ^ ((<u64>table << 32) | sizeof<K>()));
  for (let i: usize = 0; i < <usize>count; i++) {
    let sum = hash(start ^ load<K>(keys + i * sizeof<K>()));
    if (sizeof<K>() == 8) sum = hash(sum);
    store<u64>(work + (i << 3), sum);
    store<u32>(work + (i << 2), <u32>bucketOf(cache, <u32>sum), PROBED_ENTRIES);
  }
}

/** As compareBags, for bags of one key. */
function compareKeys<K>(cache: usize, table: u32, keys: usize, count: u32, work: usize): void {
  const form: u32 = sizeof<K>() << 8;
  for (let i: usize = 0; i < <usize>count; i++) {
    const entry = <usize>load<u32>(work + (i << 2), PROBED_ENTRIES);
    if (!entry) continue;
    const other = (load<u32>(entry, ENTRY_TABLE) ^ table) | (<u32>load<u16>(entry, ENTRY_KEY_COUNT) ^ 1) | (<u32>load<u16>(entry, ENTRY_WEIGHTED) ^ form);
    if (other || load<K>(entry, ENTRY_KEYS) != load<K>(keys + i * sizeof<K>())) {
      replaceEntry(cache, table, work, i, keys + i * sizeof<K>(), 1, sizeof<K>(), 0);
    } else giveChance(entry);
  }
}

/** Most entries that are found often have all chances: then their cache lines stay clean. */
@inline function giveChance(entry: usize): void {
  const chances = load<u8>(entry, ENTRY_CHANCES);
  if (chances < <u8>CACHE_CHANCES_MAX) store<u8>(entry, chances + 1, ENTRY_CHANCES);
}

/** Replaces an entry of another bag, which is rare. */
function replaceEntry(
  cache: usize, table: u32, work: usize, i: usize, keys: usize, count: u32, keyBytes: u32, weights: usize,
): void {
  const hash = work + (i << 3);
  const entry = findEntry(cache, table, load<u32>(hash), load<u32>(hash, 4), keys, count, keyBytes, weights);
  store<u32>(work + (i << 2), <u32>entry, PROBED_ENTRIES);
  if (entry) giveChance(entry);
}

/** Writes the hash of each bag, and the address of its bucket. */
function hashBags(cache: usize, feature: usize, table: u32, offsets: usize, count: u32, work: usize): void {
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const shift = <usize>ctz(load<u32>(feature, FEATURE_KEY_BYTES)), seed = load<u64>(cache, CACHE_SEED) ^ (<u64>table << 32);
  let from = <usize>load<u32>(offsets), before: usize = 0, start = hash(seed);
  for (let i: usize = 0; i < <usize>count; i++) {
    const next = <usize>load<u32>(offsets + (i << 2), 4), bytes = (next - from) << shift, own = keys + (from << shift);
    // Bags of a feature often have the same length.
    if (bytes != before) {
      start = hash(seed ^ <u64>bytes);
      before = bytes;
    }
    let sum: u64;
    if (bytes == 4) sum = hash(start ^ load<u32>(own));
    // No entry has so many keys.
    else if (next - from > <usize>CACHED_KEYS_MAX) sum = start;
    else sum = hashOfWords(start, own, bytes);
    if (weights && next - from <= <usize>CACHED_KEYS_MAX) sum = hashOfWords(~sum, weights + (from << 2), (next - from) << 2);
    store<u64>(work + (i << 3), sum);
    store<u32>(work + (i << 2), <u32>bucketOf(cache, <u32>sum), PROBED_ENTRIES);
    from = next;
  }
}

/** Replaces the address of each bucket by that of the first entry in it that has the tag, or 0. A branch could not be predicted. */
function compareTags(cache: usize, count: u32, work: usize): void {
  const log = <u32>logOf(cache) - 16, free = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = work + (i << 2), bucket = <usize>load<u32>(at, PROBED_ENTRIES), tag = i32x4.splat(load<u32>(work + (i << 3), 4));
    const low = v128.andnot(i32x4.eq(v128.load(bucket), tag), i32x4.eq(v128.load(bucket, CACHE_BUCKET_PLACES), free));
    const high = v128.andnot(i32x4.eq(v128.load(bucket, 16), tag), i32x4.eq(v128.load(bucket, CACHE_BUCKET_PLACES + 16), free));
    const found = i16x8.bitmask(i16x8.narrow_i32x4_s(low, high));
    const place = load<u32>(bucket + (<usize>ctz(found | 128) << 2), CACHE_BUCKET_PLACES);
    store<u32>(at, (log + (place << 4)) & -u32(found != 0), PROBED_ENTRIES);
  }
}

/** Replaces entries of other bags, which are rare, by those of the bags, or 0. */
function compareBags(cache: usize, feature: usize, table: u32, offsets: usize, count: u32, work: usize): void {
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const keyBytes = load<u32>(feature, FEATURE_KEY_BYTES);
  for (let i: usize = 0; i < <usize>count; i++) {
    const entry = <usize>load<u32>(work + (i << 2), PROBED_ENTRIES);
    if (!entry) continue;
    const at = offsets + (i << 2), from = <usize>load<u32>(at), length = load<u32>(at, 4) - <u32>from;
    const own = keys + from * keyBytes, ownWeights = weights ? weights + (from << 2) : 0;
    if (isOf(entry, table, own, length, keyBytes, ownWeights)) giveChance(entry);
    else replaceEntry(cache, table, work, i, own, length, keyBytes, ownWeights);
  }
}
