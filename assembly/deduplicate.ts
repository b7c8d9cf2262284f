// De-duplication: finds the unique keys of a batch, in order of first occurrence, and the position of each key in them.

import { DEDUPE_BITS, DEDUPE_CHUNK, DEDUPE_GENERATION, DEDUPE_HEADER_BYTES } from '../src/kernel/layout';
import { hash } from './hash';

/**
 * @param keys u64 [count] · @param unique u64 [count], filled from the front · @param inverse u32 [count]
 * @param table a header and `entries` u32 (a power of two, at least 2 × count; 4 × is faster), all zero before
 *   its first use; later calls may use it as earlier calls left it
 * @returns how many keys are unique
 */
export function deduplicate(
  keys: usize, count: u32, unique: usize, inverse: usize, table: usize, entries: u32,
): u32 {
  // An entry is the number of a unique key plus the generation of its call. One comparison tells a free entry from a
  // taken one, and the table need not be cleared until all generations are used up.
  const bits = 32 - clz<u32>(count), positionMask = (<u32>1 << bits) - 1;
  const generation = nextGeneration(table, entries, bits), at = table + DEDUPE_HEADER_BYTES;
  const mask = (entries - 1) << 2;
  let found: u32 = 0;
  while (count) {
    const chunk = min<u32>(count, DEDUPE_CHUNK);
    approach(keys, chunk, inverse, at, mask);
    found = probe(keys, chunk, unique, inverse, at, mask, generation, positionMask, found);
    keys += <usize>chunk << 3;
    inverse += <usize>chunk << 2;
    count -= chunk;
  }
  return found;
}

function nextGeneration(table: usize, entries: u32, bits: u32): u32 {
  const step = bits < 32 ? <u32>1 << bits : 0;
  let generation = load<u32>(table, DEDUPE_GENERATION) + step;
  if (generation < step || load<u32>(table, DEDUPE_BITS) != bits) {
    memory.fill(table + DEDUPE_HEADER_BYTES, 0, <usize>entries << 2);
    generation = step;
  }
  store<u32>(table, generation, DEDUPE_GENERATION);
  store<u32>(table, bits, DEDUPE_BITS);
  return generation;
}

/** Writes each key's place in the table to `inverse`, for `probe`. Loads from them, so that cache misses overlap. */
function approach(keys: usize, count: u32, inverse: usize, at: usize, mask: u32): void {
  const end = keys + (<usize>count << 3);
  for (; keys < end; keys += 8, inverse += 4) {
    const place = <u32>hash(load<u64>(keys)) & mask;
    store<u32>(inverse, place);
    load<u32>(at + place);
  }
}

function probe(
  keys: usize, count: u32, unique: usize, inverse: usize, at: usize, mask: u32, generation: u32, positionMask: u32,
  found: u32,
): u32 {
  const end = keys + (<usize>count << 3);
  for (; keys < end; keys += 8, inverse += 4) {
    const key = load<u64>(keys);
    let place = load<u32>(inverse);
    for (;; place = (place + 4) & mask) {
      const entry = load<u32>(at + place);
      // A taken entry differs from the generation in its position only.
      const position = entry - generation;
      if (position > positionMask) {
        store<u32>(at + place, generation + found);
        store<u64>(unique + (<usize>found << 3), key);
        store<u32>(inverse, found++);
        break;
      }
      if (load<u64>(unique + (<usize>position << 3)) == key) {
        store<u32>(inverse, position);
        break;
      }
    }
  }
  return found;
}
