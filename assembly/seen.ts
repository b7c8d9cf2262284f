// Which bags were looked for and not found lately: two Bloom filters. A bag is noted in the younger one. When that is full,
// the older one is emptied and becomes the younger one. All bits of a bag are in one cache line of each.

import {
  CACHE_SEEN, CACHE_SEEN_BLOCK_BYTES, CACHE_SEEN_BLOCKS, CACHE_SEEN_COUNT, CACHE_SEEN_MAX, CACHE_SEEN_YOUNGER,
} from '../src/kernel/cache-layout';

@inline function bytesOf(cache: usize): usize { return <usize>load<u32>(cache, CACHE_SEEN_BLOCKS) * CACHE_SEEN_BLOCK_BYTES; }

/** The block of a bag in the first filter. The one in the second is as many bytes later as a filter has. */
@inline function blockOf(cache: usize, low: u32): usize {
  const block = <usize>((<u64>low * <u64>load<u32>(cache, CACHE_SEEN_BLOCKS)) >> 32);
  return load<u32>(cache, CACHE_SEEN) + block * CACHE_SEEN_BLOCK_BYTES;
}

/** Loads from the blocks of a bag, so that cache misses of several bags overlap. */
@inline export function approachSeen(cache: usize, low: u32): void {
  const block = blockOf(cache, low);
  load<u32>(block);
  load<u32>(block + bytesOf(cache));
}

@inline function has(block: usize, bit: u32): bool { return (<u32>load<u8>(block + <usize>(bit >> 3)) & (1 << (bit & 7))) != 0; }
@inline function hasAll(block: usize, tag: u32): bool {
  return has(block, tag & 511) && has(block, (tag >> 9) & 511) && has(block, (tag >> 18) & 511);
}
@inline function set(block: usize, bit: u32): void {
  const at = block + <usize>(bit >> 3);
  store<u8>(at, <u8>(<u32>load<u8>(at) | ((<u32>1) << (bit & 7))));
}

/** Notes that a bag is not in the cache. @returns whether that was noted before, lately */
export function missAgain(cache: usize, low: u32, tag: u32): bool {
  const bytes = bytesOf(cache), first = blockOf(cache, low), younger = load<u32>(cache, CACHE_SEEN_YOUNGER);
  const block = first + younger * bytes;
  if (hasAll(block, tag)) return true;
  const before = hasAll(first + (1 - younger) * bytes, tag), counted = load<u32>(cache, CACHE_SEEN_COUNT) + 1;
  set(block, tag & 511);
  set(block, (tag >> 9) & 511);
  set(block, (tag >> 18) & 511);
  store<u32>(cache, counted, CACHE_SEEN_COUNT);
  if (counted >= load<u32>(cache, CACHE_SEEN_MAX)) {
    memory.fill(load<u32>(cache, CACHE_SEEN) + (1 - younger) * bytes, 0, bytes);
    store<u32>(cache, 1 - younger, CACHE_SEEN_YOUNGER);
    store<u32>(cache, 0, CACHE_SEEN_COUNT);
  }
  return before;
}
