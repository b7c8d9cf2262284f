// Steps of `ask` that read keys: row numbers become u32, and padding keys are removed. Everything is done in place.

import {
  ASK_AT, ASK_BAG, ASK_BAGS, ASK_FOUND, ASK_PADDING, ASK_PROBE, ASK_SENDS_REPEATS, ASK_UNPAD, ASK_UNPAD_OFFSETS, FEATURE_BAGS,
  FEATURE_KEY_BYTES, FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_OFFSETS, FEATURE_PADDED, FEATURE_PADDED_COUNT,
  FEATURE_INVERSE, FEATURE_SENT_BAGS, FEATURE_SENT_OFFSETS, FEATURE_TABLE, FEATURE_WEIGHTS, TABLE_HAS_PADDING, TABLE_INDEXED,
  TABLE_PADDING, TABLE_POOLED, TABLE_ROWS,
} from '../src/kernel/ask-layout';
import { BAD_KEY, MISSING_ERROR } from '../src/kernel/layout';
import { enter, policyOf, refuseAsk, take } from './ask';

/** Checks row numbers, and makes them u32. Keys without a row are refused here if that is the policy. */
export function readKeys(block: usize, feature: usize, table: usize, most: u32): u32 {
  const count = load<u32>(feature, FEATURE_KEY_COUNT), begin = load<u32>(block, ASK_AT);
  const indexed = load<u32>(table, TABLE_INDEXED), refusing = policyOf(block, table) == MISSING_ERROR;
  const wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
  if (indexed || (!wide && !refusing)) return endKeys(block, feature, table);
  const end = min(count, begin + min(most, count - begin));
  const rows = refusing ? <u64>load<u32>(table, TABLE_ROWS) : <u64>1 << 32;
  const keys = <usize>load<u32>(feature, FEATURE_KEYS);
  const bad = wide ? narrow(keys, begin, end, table, rows) : firstOver(keys, begin, end, table, <u32>rows);
  if (bad < end) {
    refuseAsk(block, BAD_KEY, bad, wide ? load<u64>(keys + (<usize>bad << 3)) : load<u32>(keys + (<usize>bad << 2)));
  } else if (end < count) {
    store<u32>(block, end, ASK_AT);
  } else {
    store<u32>(feature, 4, FEATURE_KEY_BYTES);
    return end - begin + endKeys(block, feature, table);
  }
  return end - begin;
}

function endKeys(block: usize, feature: usize, table: usize): u32 {
  store<u32>(feature, load<u32>(feature, FEATURE_BAGS), FEATURE_SENT_BAGS);
  store<u32>(feature, load<u32>(feature, FEATURE_OFFSETS), FEATURE_SENT_OFFSETS);
  const pads = load<u32>(table, TABLE_POOLED) && load<u32>(table, TABLE_HAS_PADDING);
  enter(block, pads ? ASK_PADDING : afterPadding(block, feature, table));
  return 1;
}

/** Bags are compared only if there are several, and if their caller did not say which are equal. */
@inline function afterPadding(block: usize, feature: usize, table: usize): u32 {
  const several = load<u32>(feature, FEATURE_BAGS) > 1 && load<u32>(table, TABLE_POOLED);
  const sought = several && !load<u32>(block, ASK_SENDS_REPEATS);
  return sought && !load<u32>(feature, FEATURE_INVERSE) ? ASK_BAGS : ASK_PROBE;
}

/** Whether a key is the padding key of a table. */
@inline function isPadding(table: usize, key: u64): bool {
  return load<u32>(table, TABLE_HAS_PADDING) && key == load<u64>(table, TABLE_PADDING);
}

/** Keys u64 become u32. @returns the first that is not less than `rows`, or `end` */
function narrow(keys: usize, begin: u32, end: u32, table: usize, rows: u64): u32 {
  for (let i = begin; i < end; i++) {
    const key = load<u64>(keys + (<usize>i << 3));
    if (key >= rows && (key >> 32 || !isPadding(table, key))) return i;
    store<u32>(keys + (<usize>i << 2), <u32>key);
  }
  return end;
}

/** @returns the first key that is not less than `rows`, or `end` */
function firstOver(keys: usize, begin: u32, end: u32, table: usize, rows: u32): u32 {
  const limit = i32x4.splat(rows);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    if (!i32x4.all_true(i32x4.lt_u(v128.load(keys + (<usize>i << 2)), limit))) break;
  }
  for (; i < end; i++) {
    const key = load<u32>(keys + (<usize>i << 2));
    if (key >= rows && !isPadding(table, key)) break;
  }
  return i;
}

@inline function keyAt(keys: usize, wide: bool, i: u32): u64 {
  return wide ? load<u64>(keys + (<usize>i << 3)) : <u64>load<u32>(keys + (<usize>i << 2));
}

/** Counts the padding keys. Most features have none. */
export function findPadding(block: usize, feature: usize, table: usize, most: u32): u32 {
  const count = load<u32>(feature, FEATURE_KEY_COUNT), begin = load<u32>(block, ASK_AT);
  const end = begin + min(most, count - begin), padding = load<u64>(table, TABLE_PADDING);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
  let found = load<u32>(block, ASK_FOUND);
  for (let i = begin; i < end; i++) found += u32(keyAt(keys, wide, i) == padding);
  store<u32>(block, end, ASK_AT);
  store<u32>(block, found, ASK_FOUND);
  if (end < count) return end - begin;
  if (!found) enter(block, afterPadding(block, feature, table));
  else {
    store<u32>(feature, <u32>take(block, <usize>found << 2), FEATURE_PADDED);
    enter(block, ASK_UNPAD);
  }
  return end - begin + 1;
}

/** Moves the other keys, with their weights, together, and lists the positions of padding keys. */
export function removePadding(block: usize, feature: usize, table: usize, most: u32): u32 {
  const count = load<u32>(feature, FEATURE_KEY_COUNT), begin = load<u32>(block, ASK_AT);
  const end = begin + min(most, count - begin), padding = load<u64>(table, TABLE_PADDING);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
  const weights = <usize>load<u32>(feature, FEATURE_WEIGHTS), list = <usize>load<u32>(feature, FEATURE_PADDED);
  let found = load<u32>(feature, FEATURE_PADDED_COUNT);
  for (let i = begin; i < end; i++) {
    const key = keyAt(keys, wide, i), to = <usize>(i - found);
    if (key == padding) {
      store<u32>(list + (<usize>found << 2), i);
      found++;
      continue;
    }
    if (wide) store<u64>(keys + (to << 3), key);
    else store<u32>(keys + (to << 2), <u32>key);
    if (weights) store<u32>(weights + (to << 2), load<u32>(weights + (<usize>i << 2)));
  }
  store<u32>(block, end, ASK_AT);
  store<u32>(feature, found, FEATURE_PADDED_COUNT);
  if (end == count) {
    store<u32>(feature, count - found, FEATURE_KEY_COUNT);
    enter(block, ASK_UNPAD_OFFSETS);
  }
  return end - begin + 1;
}

/** Subtracts from each offset the number of padding keys before it. */
export function shiftOffsets(block: usize, feature: usize, most: u32): u32 {
  const offsets = <usize>load<u32>(feature, FEATURE_OFFSETS), bags = load<u32>(feature, FEATURE_BAGS);
  const list = <usize>load<u32>(feature, FEATURE_PADDED), padded = load<u32>(feature, FEATURE_PADDED_COUNT);
  let bag = load<u32>(block, ASK_BAG), before = load<u32>(block, ASK_FOUND), left = most;
  for (; bag <= bags && left; bag++, left--) {
    const at = offsets + (<usize>bag << 2), offset = load<u32>(at);
    while (before < padded && load<u32>(list + (<usize>before << 2)) < offset) before++;
    store<u32>(at, offset - before);
  }
  store<u32>(block, bag, ASK_BAG);
  store<u32>(block, before, ASK_FOUND);
  if (bag > bags) enter(block, afterPadding(block, feature, load<u32>(feature, FEATURE_TABLE)));
  return most - left + 1;
}
