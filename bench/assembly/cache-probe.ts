// What the benchmark of the cache needs, and no lookup: entries without a lookup that adds them, and finding alone.
import { addEntry, logOf, vectorAt } from '../../assembly/cache';
import { findEntries } from '../../assembly/find';
import { hash } from '../../assembly/hash';
import { hashOfWords } from '../../assembly/words';
import {
  ASK_CACHE, ASK_FEATURE_LIST, ASK_WORK, FEATURE_SENT_BAGS, FEATURE_TABLE, TABLE_NUMBER,
} from '../../src/kernel/ask-layout';
import { CACHE_SEED, PROBED_ENTRIES, PROBED_TOGETHER } from '../../src/kernel/cache-layout';

/** Adds the bags of one key first … end − 1. The words of a vector count from its key upwards. @param key work memory for a u32 */
export function addBags(cache: usize, table: u32, dim: u32, first: u32, end: u32, key: usize): void {
  for (; first < end; first++) {
    store<u32>(key, first);
    const sum = hashOfWords(hash(load<u64>(cache, CACHE_SEED) ^ ((<u64>table << 32) | 4)), key, 4);
    const vector = addEntry(cache, table, <u32>sum, <u32>(sum >> 32), key, 1, 4, 0, dim, 0, 0) + vectorAt(1, 4, false, 0);
    for (let i: u32 = 0; i < dim; i++) store<u32>(vector + (<usize>i << 2), first + i);
  }
}

/** Writes where in the log the entry of each bag of a lookup's feature is, in units of 16 bytes, + 1; 0: there is none. */
export function findBags(block: usize, places: usize): void {
  const cache = <usize>load<u32>(block, ASK_CACHE), feature = <usize>load<u32>(block, ASK_FEATURE_LIST);
  const number = load<u32>(load<u32>(feature, FEATURE_TABLE), TABLE_NUMBER), bags = load<u32>(feature, FEATURE_SENT_BAGS);
  const work = <usize>load<u32>(block, ASK_WORK), log = <u32>logOf(cache);
  for (let first: u32 = 0; first < bags; first += PROBED_TOGETHER) {
    const count = min<u32>(bags - first, PROBED_TOGETHER);
    findEntries(cache, feature, number, first, count, 1, work);
    for (let i: u32 = 0; i < count; i++) {
      const entry = load<u32>(work + (<usize>i << 2), PROBED_ENTRIES);
      store<u32>(places + (<usize>(first + i) << 2), entry ? ((entry - log) >> 4) + 1 : 0);
    }
  }
}
