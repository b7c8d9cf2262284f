// Which bags were looked for and not found lately: two Bloom filters. A bag is noted in the younger one. When that is full,
// the older one is emptied and becomes the younger one. All bits of a bag are in one word of each, so that one load tests them.

import {
  CACHE_SEEN, CACHE_SEEN_BLOCK_BYTES, CACHE_SEEN_BLOCKS, CACHE_SEEN_COUNT, CACHE_SEEN_MAX, CACHE_SEEN_YOUNGER, MISSED_AGAIN,
  PROBED_ENTRIES, PROBED_NUMBERS, PROBED_WORDS,
} from '../src/kernel/cache-layout';
import { isCachable } from './cache';
import { share } from './hash';
import { touchEach, touchEachAfter } from './touch';

/** The bits of a bag in its word. */
@inline function bitsOf(tag: u32): u64 {
  return (<u64>1 << (tag & 63)) | (<u64>1 << ((tag >> 6) & 63)) | (<u64>1 << ((tag >> 12) & 63));
}

@inline function bytesOf(cache: usize): usize { return <usize>load<u32>(cache, CACHE_SEEN_BLOCKS) * CACHE_SEEN_BLOCK_BYTES; }
/** The word of a bag in the first filter. The one in the second is as many bytes later as a filter has. */
@inline function wordOf(cache: usize, bytes: usize, low: u32): usize {
  return load<u32>(cache, CACHE_SEEN) + (<usize>share(low, <u32>(bytes >> 3)) << 3);
}

/** Touches the words of a bag. */
@inline export function touchFilters(cache: usize, low: u32): void {
  const bytes = bytesOf(cache), word = wordOf(cache, bytes, low);
  load<u8>(word);
  load<u8>(word + bytes);
}

/**
 * Notes which of some bags have no entry in the cache, as findEntries left them in work memory. Where that was noted before,
 * lately, the address of the entry becomes MISSED_AGAIN. @returns how many are noted
 */
export function noteMisses(cache: usize, offsets: usize, count: u32, work: usize): u32 {
  const words = work + PROBED_WORDS, numbers = work + PROBED_NUMBERS, bytes = bytesOf(cache);
  let listed: usize = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = offsets + (i << 2), hasNone = u32(load<u32>(work + (i << 2), PROBED_ENTRIES) == 0);
    store<u32>(words + listed, <u32>wordOf(cache, bytes, load<u32>(work + (i << 3))));
    store<u32>(numbers + listed, <u32>i);
    // No branch: it could not be predicted.
    listed += <usize>(hasNone & u32(isCachable(load<u32>(at, 4) - load<u32>(at)))) << 2;
  }
  touchEach(words, words + listed);
  touchEachAfter(words, words + listed, bytes);
  noteAll(cache, words, numbers, listed, bytes, work);
  return <u32>(listed >> 2);
}

/** Notes the listed bags. @param words of the bags in the first filter. Those in the second one are `bytes` bytes later */
function noteAll(cache: usize, words: usize, numbers: usize, listed: usize, bytes: usize, work: usize): void {
  let counted = load<u32>(cache, CACHE_SEEN_COUNT), younger = <usize>load<u32>(cache, CACHE_SEEN_YOUNGER) * bytes;
  const most = load<u32>(cache, CACHE_SEEN_MAX);
  for (let at: usize = 0; at < listed; at += 4) {
    const i = <usize>load<u32>(numbers + at), word = <usize>load<u32>(words + at), bits = bitsOf(load<u32>(work + (i << 3), 4));
    const before = load<u64>(word + younger), isNew = (before & bits) != bits;
    const again = !isNew || (load<u64>(word + (bytes - younger)) & bits) == bits;
    store<u64>(word + younger, before | bits);
    store<u32>(work + (i << 2), again ? MISSED_AGAIN : 0, PROBED_ENTRIES);
    counted += u32(isNew);
    if (counted < most) continue;
    younger = bytes - younger;
    memory.fill(load<u32>(cache, CACHE_SEEN) + younger, 0, bytes);
    store<u32>(cache, younger != 0, CACHE_SEEN_YOUNGER);
    counted = 0;
  }
  store<u32>(cache, counted, CACHE_SEEN_COUNT);
}
