// De-duplication: the unique keys of a batch, in order of first occurrence, and where each key went.

import { DEDUPE_ENTRY_BYTES } from '../src/kernel/layout';
import { hash } from './hash';

/**
 * @param keys u64 [count] · @param unique u64 [count], filled from the front · @param inverse u32 [count]
 * @param table zeroed room for `entries` u32: a power of two, at least 2 × count; left dirty
 * @returns how many keys are unique
 */
export function deduplicate(
  keys: usize, count: u32, unique: usize, inverse: usize, table: usize, entries: u32,
): u32 {
  memory.fill(table, 0, <usize>entries * DEDUPE_ENTRY_BYTES);
  // First pass: where each key would go, kept in `inverse` until its turn comes.
  const mask = entries - 1;
  for (let i: usize = 0; i < count; i++) {
    store<u32>(inverse + (i << 2), <u32>(hash(load<u64>(keys + (i << 3))) >> 32));
  }
  const indexBits = 32 - clz<u32>(count), indexMask = (<u32>1 << indexBits) - 1;
  let found: u32 = 0;
  for (let i: usize = 0; i < count; i++) {
    const key = load<u64>(keys + (i << 3)), hashed = load<u32>(inverse + (i << 2));
    // An entry is the unique key's number plus one, under as many bits of the hash as there is room for.
    const tag = hashed & ~indexMask;
    let at = hashed & mask;
    for (;; at = (at + 1) & mask) {
      const entry = load<u32>(table + (<usize>at << 2));
      if (entry == 0) {
        store<u64>(unique + (<usize>found << 3), key);
        store<u32>(inverse + (i << 2), found);
        store<u32>(table + (<usize>at << 2), tag | ++found);
        break;
      }
      const candidate = (entry & indexMask) - 1;
      if ((entry & ~indexMask) == tag && load<u64>(unique + (<usize>candidate << 3)) == key) {
        store<u32>(inverse + (i << 2), candidate);
        break;
      }
    }
  }
  return found;
}
