// What the cache adds to a merge: vectors that it had take their places among the results, and vectors that came are
// added to it.

import {
  ASK_AT, ASK_CACHE, ASKED_FRAME, FEATURE_EXCEPTIONS, FEATURE_FILL_COUNT, FEATURE_FILLS, FEATURE_HIT_COUNTS, FEATURE_HIT_NUMBERS,
  FEATURE_HIT_VALUES, FEATURE_HITS, FEATURE_KEY_BYTES, FEATURE_KEYS, FEATURE_SEGMENT, FEATURE_SEGMENTS,
  FEATURE_SENT_NUMBERS, FEATURE_SENT_OFFSETS, FEATURE_TICK, FEATURE_WEIGHTS, MERGE_RESULTS, SENT_REPLIED, TABLE_DIM,
  TABLE_FOLLOWED, TABLE_NUMBER, TABLE_PIN,
} from '../src/kernel/ask-layout';
import { CACHE_FROZEN, FILL_BAG, FILL_BYTES, FILL_HASH, FILL_TAG } from '../src/kernel/cache-layout';
import { RESULT_COUNTS, RESULT_VALUES } from '../src/kernel/result-layout';
import { segmentOf } from './ask';
import { addEntry, findEntry, vectorAt } from './cache';
import { setTickBefore, tickBefore } from './ticks';

/** The first and the last of the bags to add, among those that were sent. There is one at least. */
@inline export function firstFill(feature: usize): u32 { return load<u32>(load<u32>(feature, FEATURE_FILLS), FILL_BAG); }
@inline export function lastFill(feature: usize): u32 {
  return load<u32>(load<u32>(feature, FEATURE_FILLS) + (load<u32>(feature, FEATURE_FILL_COUNT) - 1) * FILL_BYTES, FILL_BAG);
}

/** Whether bags of a feature are added: it has some, and all its replies are there, without exceptions. */
export function isFilled(block: usize, feature: usize): bool {
  if (!load<u32>(feature, FEATURE_FILL_COUNT) || load<u32>(feature, FEATURE_EXCEPTIONS)) return false;
  const cache = <usize>load<u32>(block, ASK_CACHE);
  if (!cache || load<u32>(cache, CACHE_FROZEN)) return false;
  const first = load<u32>(feature, FEATURE_SEGMENT), end = first + load<u32>(feature, FEATURE_SEGMENTS);
  for (let i = first; i < end; i++) if (!load<u32>(load<u32>(segmentOf(block, i), ASKED_FRAME), SENT_REPLIED)) return false;
  return true;
}

/**
 * Adds bags of a feature that isFilled to the cache. If their table takes updates, their vectors have those of all ticks up to
 * FEATURE_TICK.
 * @param values,counts of the bags that were sent, or of all if the cache answered some
 */
export function fill(block: usize, feature: usize, table: usize, values: usize, counts: usize): void {
  const cache = <usize>load<u32>(block, ASK_CACHE), number = load<u32>(table, TABLE_NUMBER), dim = load<u32>(table, TABLE_DIM);
  const keyBytes = load<u32>(feature, FEATURE_KEY_BYTES), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const pin = load<u32>(table, TABLE_PIN), followed = load<u32>(table, TABLE_FOLLOWED), tick = load<u32>(feature, FEATURE_TICK);
  if (followed && !tick) return;
  const end = <usize>load<u32>(feature, FEATURE_FILLS) + load<u32>(feature, FEATURE_FILL_COUNT) * FILL_BYTES;
  for (let at = <usize>load<u32>(feature, FEATURE_FILLS); at < end; at += FILL_BYTES) {
    const bag = <usize>load<u32>(at, FILL_BAG), offsets = load<u32>(feature, FEATURE_SENT_OFFSETS) + (bag << 2);
    const from = <usize>load<u32>(offsets), count = load<u32>(offsets, 4) - <u32>from, row = rowOf(feature, bag);
    // All keys have rows, or the reply had exceptions. A node that counts otherwise is not believed.
    if (load<u32>(counts + (row << 2)) != count) continue;
    const keys = load<u32>(feature, FEATURE_KEYS) + from * keyBytes, own = weights ? weights + (from << 2) : 0;
    const low = load<u32>(at, FILL_HASH), tag = load<u32>(at, FILL_TAG);
    const vector = vectorAt(count, keyBytes, own != 0, followed);
    let entry = findEntry(cache, number, low, tag, keys, count, keyBytes, own);
    // Another lookup may have been faster. Or the entry is stale: then the vector takes the place of an older one.
    if (entry && !(followed && tickBefore(entry + vector) < tick)) continue;
    if (!entry) entry = addEntry(cache, number, low, tag, keys, count, keyBytes, own, dim, followed, pin);
    if (!entry) continue;
    if (followed) setTickBefore(entry + vector, tick);
    memory.copy(entry + vector, values + row * (dim << 2), <usize>dim << 2);
  }
}

/** The row of a bag that was sent. */
@inline function rowOf(feature: usize, bag: usize): usize {
  return load<u32>(feature, FEATURE_HITS) ? load<u32>(load<u32>(feature, FEATURE_SENT_NUMBERS) + (bag << 2)) : bag;
}

/** Copies the next vectors that the cache had to the results of a feature. @returns how many */
export function placeHits(block: usize, feature: usize, table: usize, record: usize, most: u32): u32 {
  const first = load<u32>(block, ASK_AT), count = min(load<u32>(feature, FEATURE_HITS) - first, max<u32>(most, 1));
  const dim = load<u32>(table, TABLE_DIM), values = load<u32>(feature, FEATURE_HIT_VALUES) + first * (dim << 2);
  const numbers = load<u32>(feature, FEATURE_HIT_NUMBERS) + (first << 2);
  placeRows(block, record, dim, numbers, count, values, load<u32>(feature, FEATURE_HIT_COUNTS) + (first << 2));
  store<u32>(block, first + count, ASK_AT);
  return count;
}

/** Copies final vectors, and how many rows each has, to their places among the results. @param numbers the place of each */
export function placeRows(
  block: usize, record: usize, dim: u32, numbers: usize, count: u32, values: usize, counts: usize,
): void {
  const bytes = <usize>dim << 2, results = <usize>load<u32>(block, MERGE_RESULTS);
  const toValues = results + load<u32>(record, RESULT_VALUES), toCounts = results + load<u32>(record, RESULT_COUNTS);
  for (let i: usize = 0; i < count; i++) {
    const row = <usize>load<u32>(numbers + (i << 2));
    memory.copy(toValues + row * bytes, values + i * bytes, bytes);
    store<u32>(toCounts + (row << 2), load<u32>(counts + (i << 2)));
  }
}
