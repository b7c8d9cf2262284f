// Looks for the bags of a feature in the cache. Those that it has are not sent. Of the others, it notes those to add once
// their vectors are there: if the cache has room, if they were not found before, lately, if many candidates share them, or if
// their table is pinned.

import {
  ASK_AT, ASK_BAG, ASK_CACHE, ASK_COUNT, ASK_FOUND, ASK_NEXT, ASK_WORK, FEATURE_FILL_COUNT,
  FEATURE_FILLS, FEATURE_HIT_COUNTS, FEATURE_HIT_NUMBERS, FEATURE_HIT_VALUES, FEATURE_HITS, FEATURE_INVERSE, FEATURE_KEY_BYTES,
  FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_NEXT_OFFSETS, FEATURE_RESULTS, FEATURE_SENT_BAGS, FEATURE_SENT_NUMBERS, FEATURE_SENT_OFFSETS,
  FEATURE_SENT_PLACES, FEATURE_WEIGHTS, TABLE_DIM, TABLE_NUMBER, TABLE_PIN,
} from '../src/kernel/ask-layout';
import { NONE } from '../src/kernel/layout';
import {
  CACHE_ADMITS_ALL, CACHE_CHANCES_MAX, CACHE_HIT_BYTES, CACHE_HITS, CACHE_PROBED, CACHE_REJECTED, CACHE_SHARED_MIN,
  CACHED_KEYS_MAX, ENTRY_CHANCES, FILL_BAG, FILL_BYTES, FILL_HASH, FILL_TAG,
} from '../src/kernel/cache-layout';
import { enter, take } from './ask';
import { bucketOf, count, findEntry, hashOfBag, hasRoom, vectorAt } from './cache';
import { canPin } from './pins';
import { approachSeen, missAgain } from './seen';

/** Bags whose cache lines are loaded together. */
const PROBED_TOGETHER = 32;

/** Continues with the current feature. ASK_BAG: bags that were looked for. ASK_FOUND: keys of those that are sent. */
export function probe(block: usize, feature: usize, table: usize, most: u32): u32 {
  const cache = <usize>load<u32>(block, ASK_CACHE), hashes = <usize>load<u32>(block, ASK_WORK);
  const bags = load<u32>(feature, FEATURE_SENT_BAGS);
  if (!load<u32>(block, ASK_AT)) {
    if (!cache || !bags || !load<u32>(table, TABLE_NUMBER)) {
      enter(block, ASK_COUNT);
      return 0;
    }
    begin(block, feature, table, bags);
  }
  const offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  let bag = load<u32>(block, ASK_BAG), left = <i64>most;
  while (bag < bags && left > 0) {
    const end = min<u32>(bags, bag + PROBED_TOGETHER);
    approach(cache, feature, table, hashes, bag, end);
    for (let at = hashes; bag < end; bag++, at += 8) {
      left -= 1 + load<u32>(offsets + (<usize>bag << 2), 4) - load<u32>(offsets + (<usize>bag << 2));
      if (!look(cache, feature, table, bag, load<u32>(at), load<u32>(at, 4))) send(block, feature, bag);
    }
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

/** Writes the hashes of some bags, and loads from their buckets, so that the cache misses overlap. */
function approach(cache: usize, feature: usize, table: usize, hashes: usize, first: u32, end: u32): void {
  const offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS), keyBytes = load<u32>(feature, FEATURE_KEY_BYTES);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const number = load<u32>(table, TABLE_NUMBER);
  for (let bag = first; bag < end; bag++) {
    const at = offsets + (<usize>bag << 2), from = <usize>load<u32>(at), length = <usize>load<u32>(at, 4) - from;
    if (length > <usize>CACHED_KEYS_MAX) continue;
    const own = weights ? weights + (from << 2) : 0;
    const hash = hashOfBag(cache, number, keys + from * keyBytes, length * keyBytes, own, length);
    store<u64>(hashes + (<usize>(bag - first) << 3), hash);
    load<u32>(bucketOf(cache, <u32>hash));
    approachSeen(cache, <u32>hash);
  }
}

/** Whether the cache has a bag. If so, its vector is copied. If not, it may be noted, to be added later. */
function look(cache: usize, feature: usize, table: usize, bag: u32, low: u32, tag: u32): bool {
  const at = load<u32>(feature, FEATURE_SENT_OFFSETS) + (<usize>bag << 2), from = <usize>load<u32>(at);
  const keys = load<u32>(at, 4) - <u32>from, keyBytes = load<u32>(feature, FEATURE_KEY_BYTES);
  if (!keys || keys > <u32>CACHED_KEYS_MAX) return false;
  const dim = load<u32>(table, TABLE_DIM), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const ownKeys = load<u32>(feature, FEATURE_KEYS) + from * keyBytes, ownWeights = weights ? weights + (from << 2) : 0;
  const entry = findEntry(cache, load<u32>(table, TABLE_NUMBER), low, tag, ownKeys, keys, keyBytes, ownWeights);
  const hits = load<u32>(feature, FEATURE_HITS), number = <usize>hits << 2, bytes = <usize>dim << 2;
  const vector = vectorAt(keys, keyBytes, weights != 0);
  count(cache, CACHE_PROBED, 1);
  if (!entry) {
    if (isWorth(cache, feature, table, low, tag, <u32>((vector + bytes + 15) & ~15))) note(feature, bag - hits, low, tag);
    else count(cache, CACHE_REJECTED, 1);
    return false;
  }
  store<u8>(entry, <u8>min<u32>(load<u8>(entry, ENTRY_CHANCES) + 1, CACHE_CHANCES_MAX), ENTRY_CHANCES);
  memory.copy(load<u32>(feature, FEATURE_HIT_VALUES) + hits * bytes, entry + vector, bytes);
  store<u32>(load<u32>(feature, FEATURE_HIT_COUNTS) + number, keys);
  store<u32>(load<u32>(feature, FEATURE_HIT_NUMBERS) + number, bag);
  store<u32>(load<u32>(feature, FEATURE_SENT_PLACES) + (<usize>bag << 2), NONE);
  store<u32>(feature, hits + 1, FEATURE_HITS);
  count(cache, CACHE_HITS, 1);
  count(cache, CACHE_HIT_BYTES, bytes);
  return true;
}

/** Whether a bag is to be added. Most bags that come once never come again. @param bytes of its entry */
@inline function isWorth(cache: usize, feature: usize, table: usize, low: u32, tag: u32, bytes: u32): bool {
  if (load<u32>(cache, CACHE_ADMITS_ALL) || missAgain(cache, low, tag) || hasRoom(cache, bytes)) return true;
  return isShared(feature) || canPin(cache, load<u32>(table, TABLE_PIN), load<u32>(table, TABLE_NUMBER), bytes);
}

/** Whether many results are of each bag: the bags of a user, whose request scores many candidates. */
function isShared(feature: usize): bool {
  const results = load<u32>(feature, FEATURE_INVERSE) ? load<u32>(feature, FEATURE_RESULTS) : 0;
  return results >= load<u32>(feature, FEATURE_SENT_BAGS) * <u32>CACHE_SHARED_MIN && results != 0;
}

/** Notes a bag to add to the cache. @param number among the bags that are sent */
function note(feature: usize, number: u32, low: u32, tag: u32): void {
  const fills = load<u32>(feature, FEATURE_FILL_COUNT), fill = load<u32>(feature, FEATURE_FILLS) + <usize>fills * FILL_BYTES;
  store<u32>(fill, number, FILL_BAG);
  store<u32>(fill, low, FILL_HASH);
  store<u32>(fill, tag, FILL_TAG);
  store<u32>(feature, fills + 1, FEATURE_FILL_COUNT);
}

/** Sends a bag: its keys follow those of the bags that are sent before it. */
function send(block: usize, feature: usize, bag: u32): void {
  const at = load<u32>(feature, FEATURE_SENT_OFFSETS) + (<usize>bag << 2), from = <usize>load<u32>(at);
  const length = <usize>load<u32>(at, 4) - from, to = <usize>load<u32>(block, ASK_FOUND), hits = load<u32>(feature, FEATURE_HITS);
  const number = bag - hits;
  store<u32>(load<u32>(feature, FEATURE_SENT_NUMBERS) + (<usize>number << 2), bag);
  store<u32>(load<u32>(feature, FEATURE_SENT_PLACES) + (<usize>bag << 2), number);
  store<u32>(load<u32>(feature, FEATURE_NEXT_OFFSETS) + (<usize>number << 2), <u32>to);
  store<u32>(block, <u32>(to + length), ASK_FOUND);
  if (!hits) return;
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const keyBytes = <usize>load<u32>(feature, FEATURE_KEY_BYTES);
  memory.copy(keys + to * keyBytes, keys + from * keyBytes, length * keyBytes);
  if (weights) memory.copy(weights + (to << 2), weights + (from << 2), length << 2);
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
