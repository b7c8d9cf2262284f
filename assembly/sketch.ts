// A count-min sketch: how often bags were asked for lately, in 4 bits each. All counters of a bag are in one cache line.
// One block after the other is halved, so that old requests are forgotten without a pause.

import {
  CACHE_SKETCH, CACHE_SKETCH_BLOCKS, CACHE_SKETCH_BYTES, CACHE_SKETCH_COUNTED, CACHE_SKETCH_NEXT, CACHE_SKETCH_PERIOD,
} from '../src/kernel/cache-layout';

/** The greatest count. */
const COUNT_MAX = 15;

/** The block that counts a bag. */
@inline export function sketchOf(cache: usize, hash: u32): usize {
  const blocks = <u64>load<u32>(cache, CACHE_SKETCH_BLOCKS);
  return load<u32>(cache, CACHE_SKETCH) + <usize>((<u64>hash * blocks) >> 32) * CACHE_SKETCH_BYTES;
}
@inline function countAt(block: usize, counter: u32): u32 {
  return (<u32>load<u8>(block + <usize>(counter >> 1)) >> ((counter & 1) << 2)) & COUNT_MAX;
}

/** How often a bag was asked for, at most COUNT_MAX. @param hash,tag of the bag */
export function frequency(cache: usize, hash: u32, tag: u32): u32 {
  const block = sketchOf(cache, hash);
  return min(
    min(countAt(block, tag & 127), countAt(block, (tag >> 7) & 127)),
    min(countAt(block, (tag >> 14) & 127), countAt(block, (tag >> 21) & 127)),
  );
}

/** Counts a bag. Only the least of its counters grow, so that bags that share some of them disturb each other less. */
export function countBag(cache: usize, hash: u32, tag: u32): void {
  const least = frequency(cache, hash, tag), block = sketchOf(cache, hash);
  if (least < <u32>COUNT_MAX) for (let shift: u32 = 0; shift < 28; shift += 7) {
    const counter = (tag >> shift) & 127, at = block + <usize>(counter >> 1);
    if (countAt(block, counter) == least) store<u8>(at, <u8>(<u32>load<u8>(at) + ((<u32>1) << ((counter & 1) << 2))));
  }
  const counted = load<u32>(cache, CACHE_SKETCH_COUNTED) + 1;
  store<u32>(cache, counted, CACHE_SKETCH_COUNTED);
  if (counted >= <u32>CACHE_SKETCH_PERIOD) halveNext(cache);
}

function halveNext(cache: usize): void {
  const next = load<u32>(cache, CACHE_SKETCH_NEXT), blocks = load<u32>(cache, CACHE_SKETCH_BLOCKS);
  const block = load<u32>(cache, CACHE_SKETCH) + <usize>next * CACHE_SKETCH_BYTES, low = i8x16.splat(0x77);
  for (let at = block; at < block + CACHE_SKETCH_BYTES; at += 16) {
    v128.store(at, v128.and(i16x8.shr_u(v128.load(at), 1), low));
  }
  store<u32>(cache, 0, CACHE_SKETCH_COUNTED);
  store<u32>(cache, next + 1 == blocks ? 0 : next + 1, CACHE_SKETCH_NEXT);
}
