// Chooses for each segment whether its node pools the rows, or sends them to be pooled here: whichever brings back
// fewer bytes. Keys are de-duplicated only for this choice, and only as many as it needs.

import {
  ASK_AT, ASK_FETCHED, ASK_FOUND, ASK_NEXT, ASK_PUSH_DOWN, ASK_SEGMENT, ASK_SEGMENTS, ASK_WORK, ASKED_FLAGS,
  ASKED_INVERSE, ASKED_KEY_COUNT, ASKED_KEYS, ASKED_RESULTS, ASKED_UNIQUE, ASKED_UNIQUE_COUNT, FETCH_PERMILLE_MAX,
  PUSH_ALWAYS, PUSH_NEVER, TABLE_DIM, TABLE_INDEXED, TABLE_MODE, TABLE_ROW_BYTES,
} from '../src/kernel/ask-layout';
import { FLAG_FETCH, FLAG_PARTIAL, FLAG_WEIGHTED } from '../src/wire/layout';
import { endFeature, seedOf, segmentOf, take } from './ask';
import { hasDenominator } from './divide';
import { hash } from './hash';

/** Whether the reply has a denominator for each bag of a segment that its node pools. */
@inline export function isDenominatedPartial(flags: u32, table: usize): bool {
  return (flags & FLAG_PARTIAL) != 0 && hasDenominator(load<u32>(table, TABLE_MODE), (flags & FLAG_WEIGHTED) != 0);
}

/** The most unique rows that are worth fetching. */
function rowsMax(block: usize, segment: usize, table: usize): u32 {
  const count = load<u32>(segment, ASKED_KEY_COUNT), how = load<u32>(block, ASK_PUSH_DOWN);
  if (how == PUSH_ALWAYS) return 0;
  if (how == PUSH_NEVER) return count;
  const denominated = isDenominatedPartial(load<u32>(segment, ASKED_FLAGS), table);
  const each = <u64>load<u32>(table, TABLE_DIM) * 4 + (denominated ? 8 : 4);
  const pushed = load<u32>(segment, ASKED_RESULTS) * each * FETCH_PERMILLE_MAX;
  return pushed ? <u32>min<u64>((pushed - 1) / (<u64>load<u32>(table, TABLE_ROW_BYTES) * 1000), count) : 0;
}

/** Continues with the current segment. */
export function choose(block: usize, feature: usize, table: usize, most: u32): u32 {
  const index = load<u32>(block, ASK_SEGMENT);
  if (index == load<u32>(block, ASK_SEGMENTS)) {
    endFeature(block, feature);
    return 0;
  }
  const segment = segmentOf(block, index), rows = rowsMax(block, segment, table);
  const count = load<u32>(segment, ASKED_KEY_COUNT);
  if (!rows) return next(block, 1);
  const wide = load<u32>(table, TABLE_INDEXED) != 0, entries = <u32>1 << (32 - clz<u32>(2 * rows + 1));
  const begin = load<u32>(block, ASK_AT), end = begin + min(most, count - begin);
  if (!begin) {
    memory.fill(load<u32>(block, ASK_WORK), 0, <usize>entries << 2);
    store<u32>(segment, <u32>take(block, <usize>rows << (wide ? 3 : 2)), ASKED_UNIQUE);
    store<u32>(segment, <u32>take(block, <usize>count << 2), ASKED_INVERSE);
  }
  const found = wide
    ? deduplicate<u64>(block, segment, begin, end, entries - 1, rows)
    : deduplicate<u32>(block, segment, begin, end, entries - 1, rows);
  if (found > rows) {
    store<u32>(block, load<u32>(segment, ASKED_UNIQUE), ASK_NEXT);
    store<u32>(segment, 0, ASKED_UNIQUE);
    return next(block, end - begin);
  }
  store<u32>(block, end, ASK_AT);
  store<u32>(block, found, ASK_FOUND);
  if (end < count) return end - begin;
  store<u32>(segment, found, ASKED_UNIQUE_COUNT);
  const flags = load<u32>(segment, ASKED_FLAGS) & ~(FLAG_WEIGHTED | FLAG_PARTIAL);
  store<u32>(segment, flags | FLAG_FETCH, ASKED_FLAGS);
  store<u32>(block, load<u32>(block, ASK_FETCHED) + 1, ASK_FETCHED);
  return next(block, end - begin);
}

function next(block: usize, worth: u32): u32 {
  store<u32>(block, load<u32>(block, ASK_SEGMENT) + 1, ASK_SEGMENT);
  store<u32>(block, 0, ASK_AT);
  store<u32>(block, 0, ASK_FOUND);
  return worth;
}

/** Adds keys [begin, end) to the unique ones. @returns how many there are then, or more than `most` as soon as it is so */
function deduplicate<K>(block: usize, segment: usize, begin: u32, end: u32, mask: u32, most: u32): u32 {
  const keys = <usize>load<u32>(segment, ASKED_KEYS), unique = <usize>load<u32>(segment, ASKED_UNIQUE);
  const inverse = <usize>load<u32>(segment, ASKED_INVERSE), entries = <usize>load<u32>(block, ASK_WORK);
  const seed = seedOf(block);
  let found = load<u32>(block, ASK_FOUND);
  for (let i: usize = begin; i < end; i++) {
    const key = load<K>(keys + i * sizeof<K>());
    let place = <u32>hash(<u64>key ^ seed) & mask;
    for (;; place = (place + 1) & mask) {
      const number = load<u32>(entries + (<usize>place << 2));
      if (!number) {
        if (found == most) return most + 1;
        store<u32>(entries + (<usize>place << 2), found + 1);
        store<K>(unique + <usize>found * sizeof<K>(), key);
        store<u32>(inverse + (i << 2), found++);
        break;
      }
      if (load<K>(unique + <usize>(number - 1) * sizeof<K>()) != key) continue;
      store<u32>(inverse + (i << 2), number - 1);
      break;
    }
  }
  return found;
}
