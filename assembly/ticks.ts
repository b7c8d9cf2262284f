// Which keys were updated lately. Each batch of row updates that a ranker hears has a tick. A table of ticks, u32, has for each
// key the tick of its last update, or a later one: a key has two places there, which it shares with others, and the smaller tick counts.
// An entry has the tick up to which its vector has the updates of all its keys. So it is stale if one of them has a later tick.
// To be wrong about a key that shares its places only costs a question to a node.

import { FEATURE_KEY_BYTES, FEATURE_KEYS, FEATURE_SENT_OFFSETS, FEATURE_WEIGHTS } from '../src/kernel/ask-layout';
import { CACHE_FLOOR, CACHE_STALE, CACHE_TICKS, MISSED_AGAIN, PROBED_ENTRIES, TICK_PLACES } from '../src/kernel/cache-layout';
import { count as addTo, vectorAt } from './cache';
import { hash } from './hash';

@inline function hashOf(number: u32, key: u64): u64 { return hash(key ^ (<u64>number << 40)); }
@inline function firstOf(ticks: usize, hash: u64): usize { return ticks + ((<usize>hash & (TICK_PLACES - 1)) << 2); }
@inline function secondOf(ticks: usize, hash: u64): usize { return ticks + ((<usize>(hash >> 32) & (TICK_PLACES - 1)) << 2); }

/** Notes that keys u64 [count] were updated. @param number of their table @param tick not less than any before */
export function noteUpdates(cache: usize, number: u32, keys: usize, count: u32, tick: u32): void {
  const ticks = <usize>load<u32>(cache, CACHE_TICKS);
  for (const end = keys + (<usize>count << 3); keys < end; keys += 8) {
    const sum = hashOf(number, load<u64>(keys));
    store<u32>(firstOf(ticks, sum), tick);
    store<u32>(secondOf(ticks, sum), tick);
  }
}

/** The tick of an entry whose table takes updates. It is before the vector. */
@inline export function tickBefore(vector: usize): u32 { return load<u32>(vector - 4); }
@inline export function setTickBefore(vector: usize, tick: u32): void { store<u32>(vector - 4, tick); }

/** Whether a key was updated after a tick. */
@inline function isLater(ticks: usize, number: u32, key: u64, tick: u32): bool {
  const sum = hashOf(number, key);
  return min(load<u32>(firstOf(ticks, sum)), load<u32>(secondOf(ticks, sum))) > tick;
}

function isStale(cache: usize, number: u32, keys: usize, count: u32, keyBytes: u32, tick: u32): bool {
  if (tick < load<u32>(cache, CACHE_FLOOR)) return true;
  const ticks = <usize>load<u32>(cache, CACHE_TICKS), end = keys + <usize>count * keyBytes;
  for (; keys < end; keys += keyBytes) {
    if (isLater(ticks, number, keyBytes == 8 ? load<u64>(keys) : <u64>load<u32>(keys), tick)) return true;
  }
  return false;
}

/** Treats entries that are stale, of some bags of a table that takes updates, as missed: they are wanted. @returns how many */
export function missStale(cache: usize, feature: usize, number: u32, first: u32, count: u32, work: usize): u32 {
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), keyBytes = load<u32>(feature, FEATURE_KEY_BYTES);
  const weighted = load<u32>(feature, FEATURE_WEIGHTS) != 0;
  const offsets = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS) + (<usize>first << 2);
  let stale: u32 = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const entry = <usize>load<u32>(work + (i << 2), PROBED_ENTRIES);
    if (entry <= <usize>MISSED_AGAIN) continue;
    const at = offsets + (i << 2), from = <usize>load<u32>(at), length = load<u32>(at, 4) - <u32>from;
    const tick = tickBefore(entry + vectorAt(length, keyBytes, weighted, 1));
    if (!isStale(cache, number, keys + from * keyBytes, length, keyBytes, tick)) continue;
    store<u32>(work + (i << 2), MISSED_AGAIN, PROBED_ENTRIES);
    stale++;
  }
  addTo(cache, CACHE_STALE, stale);
  return stale;
}
