// A cache becomes larger where it is: its entries go to more buckets, one bucket after the other, while lookups use it.

import {
  CACHE_BUCKET_COUNT, CACHE_BUCKET_ENTRIES, CACHE_BUCKETS, CACHE_BUCKET_BYTES, CACHE_ENTRIES, CACHE_NEXT_BUCKET_COUNT,
  CACHE_SPLIT, ENTRY_HASH,
} from '../src/kernel/cache-layout';
import { DONE, MORE, NONE } from '../src/kernel/layout';
import { bucketOf, entryAt, placeAt, refer } from './cache';

/** Begins. @param buckets more than it has; those that it does not have yet are empty */
export function openGrowth(cache: usize, buckets: u32): void {
  store<u32>(cache, buckets, CACHE_NEXT_BUCKET_COUNT);
  store<u32>(cache, load<u32>(cache, CACHE_BUCKET_COUNT), CACHE_SPLIT);
}

/**
 * Moves the entries of the next `most` buckets. It begins with the last one: an entry never goes to an earlier bucket, so it
 * meets only entries that were moved before. @returns DONE or MORE
 */
export function spreadBuckets(cache: usize, most: u32): i32 {
  let split = load<u32>(cache, CACHE_SPLIT);
  // It does not grow any more: it was emptied meanwhile.
  if (split == <u32>NONE) return DONE;
  for (; split; most--) {
    if (!most) return MORE;
    store<u32>(cache, --split, CACHE_SPLIT);
    spread(cache, load<u32>(cache, CACHE_BUCKETS) + <usize>split * CACHE_BUCKET_BYTES);
  }
  store<u32>(cache, load<u32>(cache, CACHE_NEXT_BUCKET_COUNT), CACHE_BUCKET_COUNT);
  store<u32>(cache, NONE, CACHE_SPLIT);
  return DONE;
}

/** Moves the entries of a bucket, of which others are now the buckets. */
function spread(cache: usize, bucket: usize): void {
  for (let i: u32 = 0; i < <u32>CACHE_BUCKET_ENTRIES; i++) {
    const place = load<u32>(placeAt(bucket, i));
    if (!place) continue;
    const to = bucketOf(cache, load<u32>(entryAt(cache, place), ENTRY_HASH));
    if (to == bucket) continue;
    store<u32>(placeAt(bucket, i), 0);
    store<u32>(cache, load<u32>(cache, CACHE_ENTRIES) - 1, CACHE_ENTRIES);
    refer(cache, to, load<u32>(bucket + (<usize>i << 2)), place);
  }
}
