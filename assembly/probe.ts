// Looks for the bags of a feature in the cache. Those that it has are not sent. Of the others, it notes those to add once
// their vectors are there: if the cache has room, if they were not found before, lately, if many candidates share them, or if
// their table is pinned.

import {
  ASK_AT, ASK_BAG, ASK_CACHE, ASK_COUNT, ASK_FOUND, ASK_NEXT, ASK_WORK, FEATURE_FILL_COUNT,
  FEATURE_FILLS, FEATURE_FRESH, FEATURE_HIT_COUNTS, FEATURE_HIT_NUMBERS, FEATURE_HIT_VALUES, FEATURE_HITS, FEATURE_INVERSE, FEATURE_KEY_BYTES,
  FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_NEXT_OFFSETS, FEATURE_RESULTS, FEATURE_SENT_BAGS, FEATURE_SENT_NUMBERS, FEATURE_SENT_OFFSETS,
  FEATURE_SENT_PLACES, FEATURE_WEIGHTS, TABLE_DIM, TABLE_FOLLOWED, TABLE_NUMBER, TABLE_PIN,
} from '../src/kernel/ask-layout';
import { NONE } from '../src/kernel/layout';
import {
  CACHE_ADMITS_ALL, CACHE_HIT_BYTES, CACHE_HITS, CACHE_PROBED, CACHE_REJECTED, CACHE_SHARED_MIN, ENTRY_KEYS, FILL_BAG, FILL_BYTES,
  FILL_HASH, FILL_TAG, MISSED_AGAIN, PROBED_ENTRIES, PROBED_TOGETHER,
} from '../src/kernel/cache-layout';
import { enter, take } from './ask';
import { count, hasRoom, isCachable, vectorAt } from './cache';
import { findEntries } from './find';
import { canPin } from './pins';
import { noteMisses } from './seen';
import { missStale } from './ticks';

/** Continues with the current feature. ASK_BAG: bags that were looked for. ASK_FOUND: keys of those that are sent. */
export function probe(block: usize, feature: usize, table: usize, most: u32): u32 {
  const cache = <usize>load<u32>(block, ASK_CACHE), bags = load<u32>(feature, FEATURE_SENT_BAGS);
  if (!load<u32>(block, ASK_AT)) {
    if (!cache || !bags || !load<u32>(table, TABLE_NUMBER) || load<u32>(feature, FEATURE_FRESH)) {
      enter(block, ASK_COUNT);
      return 0;
    }
    begin(block, feature, table, bags);
  }
  let bag = load<u32>(block, ASK_BAG), left = <i64>most;
  while (bag < bags && left > 0) {
    const end = min<u32>(bags, bag + PROBED_TOGETHER);
    left -= answer(block, feature, table, cache, bag, end);
    bag = end;
  }
  store<u32>(block, bag, ASK_BAG);
  if (bag == bags) finish(block, feature, table, bags);
  return <u32>(<i64>most - left);
}

/** Takes memory for a feature: as if the cache had every bag, and as if it had none. */
function begin(block: usize, feature: usize, table: usize, bags: u32): void {
  const numbers = <usize>bags << 2;
  store<u32>(block, 1, ASK_AT);
  store<u32>(feature, <u32>take(block, <usize>bags * FILL_BYTES), FEATURE_FILLS);
  store<u32>(feature, <u32>take(block, numbers + 4), FEATURE_NEXT_OFFSETS);
  store<u32>(feature, <u32>take(block, numbers), FEATURE_SENT_NUMBERS);
  store<u32>(feature, <u32>take(block, numbers), FEATURE_SENT_PLACES);
  store<u32>(feature, <u32>take(block, numbers), FEATURE_HIT_NUMBERS);
  store<u32>(feature, <u32>take(block, numbers), FEATURE_HIT_COUNTS);
  store<u32>(feature, <u32>take(block, <usize>bags * (load<u32>(table, TABLE_DIM) << 2)), FEATURE_HIT_VALUES);
}

/**
 * Copies the vectors of bags that the cache has, and sends the others. Some of these are noted, to be added later.
 * @param end at most PROBED_TOGETHER after the first @returns the keys that they are worth
 */
function answer(block: usize, feature: usize, table: usize, cache: usize, first: u32, end: u32): u32 {
  const work = <usize>load<u32>(block, ASK_WORK), offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  const keyBytes = load<u32>(feature, FEATURE_KEY_BYTES), weighted = load<u32>(feature, FEATURE_WEIGHTS) != 0;
  const hitCounts = <usize>load<u32>(feature, FEATURE_HIT_COUNTS), hitNumbers = <usize>load<u32>(feature, FEATURE_HIT_NUMBERS);
  const values = <usize>load<u32>(feature, FEATURE_HIT_VALUES), places = <usize>load<u32>(feature, FEATURE_SENT_PLACES);
  const numbers = <usize>load<u32>(feature, FEATURE_SENT_NUMBERS), nexts = <usize>load<u32>(feature, FEATURE_NEXT_OFFSETS);
  const bytes = <usize>load<u32>(table, TABLE_DIM) << 2, begin = load<u32>(offsets + (<usize>first << 2));
  const hitsBefore = load<u32>(feature, FEATURE_HITS), fillsBefore = load<u32>(feature, FEATURE_FILL_COUNT);
  const pin = load<u32>(table, TABLE_PIN), number = load<u32>(table, TABLE_NUMBER);
  const followed = load<u32>(table, TABLE_FOLLOWED);
  // Of an entry of one key, because most features have only such bags.
  const reach = <u32>(vectorAt(1, keyBytes, weighted, followed) + bytes);
  findEntries(cache, feature, number, first, end - first, reach, work);
  let misses = noteMisses(cache, offsets + (<usize>first << 2), end - first, work);
  if (followed) misses += missStale(cache, feature, number, first, end - first, work);
  const takesAll = isShared(feature) || load<u32>(cache, CACHE_ADMITS_ALL) != 0;
  const isOpen = takesAll || pin != 0 || hasRoom(cache, ENTRY_KEYS);
  let hits = hitsBefore, from = begin, to = load<u32>(block, ASK_FOUND);
  for (let bag = first; bag < end; bag++) {
    const i = <usize>(bag - first), next = load<u32>(offsets + (<usize>bag << 2), 4), keys = next - from;
    const entry = <usize>load<u32>(work + (i << 2), PROBED_ENTRIES), vector = vectorAt(keys, keyBytes, weighted, followed);
    if (entry > <usize>MISSED_AGAIN) {
      memory.copy(values + hits * bytes, entry + vector, bytes);
      store<u32>(hitCounts + (<usize>hits << 2), keys);
      store<u32>(hitNumbers + (<usize>hits << 2), bag);
      store<u32>(places + (<usize>bag << 2), NONE);
      hits++;
    } else {
      const sent = bag - hits, entryBytes = <u32>((vector + bytes + 15) & ~15);
      if (entry == <usize>MISSED_AGAIN || (isOpen && isCachable(keys) && (takesAll || hasPlace(cache, pin, number, entryBytes)))) {
        note(feature, sent, load<u64>(work + (i << 3)));
      }
      store<u32>(numbers + (<usize>sent << 2), bag);
      store<u32>(places + (<usize>bag << 2), sent);
      store<u32>(nexts + (<usize>sent << 2), to);
      if (to != from) moveBag(feature, to, from, keys);
      to += keys;
    }
    from = next;
  }
  store<u32>(feature, hits, FEATURE_HITS);
  store<u32>(block, to, ASK_FOUND);
  count(cache, CACHE_PROBED, misses + hits - hitsBefore);
  count(cache, CACHE_HITS, hits - hitsBefore);
  count(cache, CACHE_HIT_BYTES, <u64>(hits - hitsBefore) * bytes);
  count(cache, CACHE_REJECTED, misses + fillsBefore - load<u32>(feature, FEATURE_FILL_COUNT));
  return from - begin + end - first;
}

/**
 * Whether an entry has a place although its bag was not missed before, lately. Most bags that come once never come again, so
 * others are not to make room for it.
 */
@inline function hasPlace(cache: usize, pin: u32, number: u32, bytes: u32): bool {
  return hasRoom(cache, bytes) || canPin(cache, pin, number, bytes);
}

/** Whether many results are of each bag: the bags of a user, whose request scores many candidates. */
function isShared(feature: usize): bool {
  const results = load<u32>(feature, FEATURE_INVERSE) ? load<u32>(feature, FEATURE_RESULTS) : 0;
  return results >= load<u32>(feature, FEATURE_SENT_BAGS) * <u32>CACHE_SHARED_MIN && results != 0;
}

/** Notes a bag to add to the cache. @param number among the bags that are sent */
function note(feature: usize, number: u32, hash: u64): void {
  const fills = load<u32>(feature, FEATURE_FILL_COUNT), fill = load<u32>(feature, FEATURE_FILLS) + <usize>fills * FILL_BYTES;
  store<u32>(fill, number, FILL_BAG);
  store<u32>(fill, <u32>hash, FILL_HASH);
  store<u32>(fill, <u32>(hash >> 32), FILL_TAG);
  store<u32>(feature, fills + 1, FEATURE_FILL_COUNT);
}

/** Moves the keys of a bag that is sent after those of the bags that are sent before it. @param to,from the first key */
function moveBag(feature: usize, to: u32, from: u32, count: u32): void {
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const keyBytes = <usize>load<u32>(feature, FEATURE_KEY_BYTES);
  memory.copy(keys + to * keyBytes, keys + from * keyBytes, count * keyBytes);
  if (weights) memory.copy(weights + (<usize>to << 2), weights + (<usize>from << 2), <usize>count << 2);
}

/** Ends the feature, and gives back memory that it did not need. */
function finish(block: usize, feature: usize, table: usize, bags: u32): void {
  const hits = load<u32>(feature, FEATURE_HITS), offsets = <usize>load<u32>(feature, FEATURE_NEXT_OFFSETS);
  if (hits) {
    const keys = load<u32>(block, ASK_FOUND), values = load<u32>(feature, FEATURE_HIT_VALUES);
    store<u32>(offsets + (<usize>(bags - hits) << 2), keys);
    store<u32>(feature, <u32>offsets, FEATURE_SENT_OFFSETS);
    store<u32>(feature, bags - hits, FEATURE_SENT_BAGS);
    store<u32>(feature, keys, FEATURE_KEY_COUNT);
    store<u32>(block, (values + hits * (load<u32>(table, TABLE_DIM) << 2) + 15) & ~15, ASK_NEXT);
  } else store<u32>(block, <u32>offsets, ASK_NEXT);
  enter(block, ASK_COUNT);
}
