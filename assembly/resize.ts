// What another memory needs to take over the entries of a cache: which of them go there, and how it finds them.

import {
  CACHE_CHANCES_MAX, CACHE_END, CACHE_HEAD, CACHE_LOG_BYTES, CACHE_TAIL, CACHE_TOUCHED, CACHE_USED, ENTRY_CHANCES, ENTRY_HASH, ENTRY_PIN,
  ENTRY_TAG, ENTRY_UNITS, SURVEY_AT, SURVEY_LEAST, SURVEY_LEFT, SURVEY_PINNED, SURVEY_ROOM, SURVEY_RUNS, SURVEY_RUNS_MAX, SURVEY_SKIP, SURVEY_SUMS, SURVEY_RUN_LIST,
} from '../src/kernel/cache-layout';
import { DONE, MORE } from '../src/kernel/layout';
import { bucketOf, logOf, refer } from './cache';
import { isPinned, pinEntry } from './pins';

/** Begins with the oldest entry. @param survey SURVEY_* @param pinned most bytes of pinned entries in the other cache */
export function openSurvey(cache: usize, survey: usize, pinned: u32): void {
  store<u32>(survey, pinned, SURVEY_PINNED);
  store<u32>(survey, load<u32>(cache, CACHE_TAIL), SURVEY_AT);
  store<u32>(survey, load<u32>(cache, CACHE_USED), SURVEY_LEFT);
}

/** Moves on to the next entry. @param bytes of the current one */
@inline function advance(cache: usize, survey: usize, bytes: u32): void {
  const all = load<u32>(cache, CACHE_LOG_BYTES), next = load<u32>(survey, SURVEY_AT) + bytes;
  const isEnd = next == load<u32>(cache, CACHE_END);
  store<u32>(survey, isEnd ? 0 : next, SURVEY_AT);
  store<u32>(survey, load<u32>(survey, SURVEY_LEFT) - bytes - (isEnd ? all - next : 0), SURVEY_LEFT);
}

/** Whether an entry stays pinned. The oldest ones do, as many as the other cache may pin. */
function staysPinned(cache: usize, survey: usize, entry: usize, bytes: u32): bool {
  const left = load<u32>(survey, SURVEY_PINNED);
  if (bytes > left || !isPinned(cache, entry)) return false;
  store<u32>(survey, left - bytes, SURVEY_PINNED);
  return true;
}

/** Adds the bytes of the next `most` entries to SURVEY_SUMS, by their chances, if they do not stay pinned. @returns DONE or MORE */
export function weighEntries(cache: usize, survey: usize, most: u32): i32 {
  for (; load<u32>(survey, SURVEY_LEFT); most--) {
    if (!most) return MORE;
    const entry = logOf(cache) + load<u32>(survey, SURVEY_AT), bytes = <u32>load<u16>(entry, ENTRY_UNITS) << 4;
    const sum = survey + SURVEY_SUMS + (<usize>min<u32>(load<u8>(entry, ENTRY_CHANCES), CACHE_CHANCES_MAX) << 2);
    if (!staysPinned(cache, survey, entry, bytes)) store<u32>(sum, load<u32>(sum) + bytes);
    advance(cache, survey, bytes);
  }
  return DONE;
}

/**
 * Lists where the next entries are that stay pinned, that have more than SURVEY_LEAST chances, or as many, but without the
 * first SURVEY_SKIP bytes of those. Entries that follow each other are one run. @returns DONE or MORE
 */
export function pickEntries(cache: usize, survey: usize, most: u32): i32 {
  const least = load<u32>(survey, SURVEY_LEAST), list = survey + SURVEY_RUN_LIST;
  let runs: usize = 0, end: u32 = 0;
  for (; load<u32>(survey, SURVEY_LEFT) && most && runs < <usize>SURVEY_RUNS_MAX; most--) {
    const at = load<u32>(survey, SURVEY_AT), entry = logOf(cache) + at, bytes = <u32>load<u16>(entry, ENTRY_UNITS) << 4;
    const chances = <u32>load<u8>(entry, ENTRY_CHANCES), skip = load<u32>(survey, SURVEY_SKIP);
    advance(cache, survey, bytes);
    if (!staysPinned(cache, survey, entry, bytes)) {
      if (chances < least) continue;
      if (chances == least && skip) {
        store<u32>(survey, skip > bytes ? skip - bytes : 0, SURVEY_SKIP);
        continue;
      }
      const room = load<u32>(survey, SURVEY_ROOM);
      if (bytes > room) continue;
      store<u32>(survey, room - bytes, SURVEY_ROOM);
    }
    if (runs && end == at) {
      const size = list + ((runs - 1) << 3);
      store<u32>(size, load<u32>(size, 4) + bytes, 4);
    } else {
      store<u32>(list + (runs << 3), at);
      store<u32>(list + (runs << 3), bytes, 4);
      runs++;
    }
    end = at + bytes;
  }
  store<u32>(survey, <u32>runs, SURVEY_RUNS);
  return load<u32>(survey, SURVEY_LEFT) ? MORE : DONE;
}

/**
 * Finds a place in the buckets for the next `most` entries, which were copied to the log one after the other from its start.
 * @param bytes of all of them @returns DONE or MORE
 */
export function adoptEntries(cache: usize, bytes: u32, most: u32): i32 {
  for (let at = load<u32>(cache, CACHE_USED); at < bytes; most--) {
    if (!most) return MORE;
    const entry = logOf(cache) + at, size = <u32>load<u16>(entry, ENTRY_UNITS) << 4;
    pinEntry(cache, entry, load<u32>(entry, ENTRY_PIN), size);
    refer(cache, bucketOf(cache, load<u32>(entry, ENTRY_HASH)), load<u32>(entry, ENTRY_TAG), (at >> 4) + 1);
    at += size;
    store<u32>(cache, at == load<u32>(cache, CACHE_LOG_BYTES) ? 0 : at, CACHE_HEAD);
    store<u32>(cache, at, CACHE_USED);
    store<u32>(cache, at, CACHE_TOUCHED);
  }
  return DONE;
}
