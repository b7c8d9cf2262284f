// A group: the next keys of a call, checked and converted to row addresses. Their rows are then touched once, so that
// the fold finds them in the cache. Grouping by keys, not by bags, keeps short bags as fast as long ones.

import {
  BAD_KEY, CALL_DEFAULT_ROW, CALL_DIM, CALL_DTYPE, CALL_ERROR_POSITION, CALL_EXCEPTIONS, CALL_OUTCOMES, CALL_KEPT,
  CALL_KEY_BYTES, CALL_KEYS, CALL_LAST_SHARD, CALL_MISSING, CALL_PADDING, CALL_ROW_BASE, CALL_ROW_BYTES, CALL_ROWS,
  CALL_TABLE, CALL_TABLE_ROWS, CALL_TOUCH, CALL_WEIGHTS, DONE, OUTCOME_DEFAULTED, OUTCOME_MISSING, OUTCOME_PADDED,
  GROUP_BYTES, GROUP_KEYS, GROUP_KEYS_MIN, INT4, INT8, MISSING_DEFAULT, MISSING_ERROR, NONE,
} from '../src/kernel/layout';
import { decodeHalves, decodeTail, F16Rows, Int4Rows, Int8Rows, isInt4, MaxExact, tailOf } from './rows';
import { groupOf, keptAt, keptBefore, rowsOf, signBits, tailsOf, weightsOf } from './scratch';
import { touch } from './touch';

/** Number of keys of a group. The second-level cache holds their rows. */
@inline export function groupKeysOf(call: usize): u32 {
  return min<u32>(GROUP_KEYS, max<u32>(GROUP_KEYS_MIN, GROUP_BYTES / max<u32>(1, load<u32>(call, CALL_ROW_BYTES))));
}

@inline function keysOf(call: usize, first: u32): usize {
  return load<u32>(call, CALL_KEYS) + <usize>first * load<u32>(call, CALL_KEY_BYTES);
}

/** Low and high words of four u64 keys. */
@inline function lowWords(keys: usize): v128 {
  return i32x4.shuffle(v128.load(keys), v128.load(keys, 16), 0, 2, 4, 6);
}
@inline function highWords(keys: usize): v128 {
  return i32x4.shuffle(v128.load(keys), v128.load(keys, 16), 1, 3, 5, 7);
}

/**
 * Resolves, reads ahead and prepares keys [first, first + count).
 * @returns DONE with the number of rows in CALL_KEPT, or BAD_KEY
 */
export function openRows(call: usize, first: u32, count: u32): i32 {
  const group = groupOf(call);
  let kept = count;
  if (!resolvePlain(call, first, count)) {
    const status = resolve(call, first, count);
    if (status != DONE) return status;
    kept = keptBefore(group, count);
  }
  store<u32>(call, kept, CALL_KEPT);
  const dtype = load<u32>(call, CALL_DTYPE), dim = load<u32>(call, CALL_DIM);
  if (load<u32>(call, CALL_TOUCH)) touch(group, rowsOf(group, kept), load<u32>(call, CALL_ROW_BYTES));
  if (dtype == INT8) decodeTails<Int8Rows>(group, kept, dim);
  if (dtype == INT4) decodeTails<Int4Rows>(group, kept, dim);
  return DONE;
}

function decodeTails<D>(group: usize, kept: usize, dim: usize): void {
  const tail = tailOf<D>(dim), end = rowsOf(group, kept);
  let r = group, out = tailsOf(group, 0);
  if (isInt4<D>()) {
    const signs = signBits(group);
    for (; r + 16 <= end; r += 16, out += 32) {
      let halves = v128.load32_zero(load<u32>(r) + tail);
      halves = v128.load_lane<u32>(load<u32>(r, 4) + tail, halves, 1);
      halves = v128.load_lane<u32>(load<u32>(r, 8) + tail, halves, 2);
      halves = v128.load_lane<u32>(load<u32>(r, 12) + tail, halves, 3);
      v128.store(out, decodeHalves<F16Rows, MaxExact>(halves, false, signs));
      v128.store(out, decodeHalves<F16Rows, MaxExact>(halves, true, signs), 16);
    }
  }
  for (; r < end; r += 4, out += 8) decodeTail<D>(load<u32>(r) + tail, out);
}

/**
 * Writes the row addresses of keys [first, first + count), if every key is a plain row of this shard.
 * @returns false if some key is not; then `resolve` must look at each of them
 */
function resolvePlain(call: usize, first: u32, count: u32): bool {
  const wide = load<u32>(call, CALL_KEY_BYTES) == 8;
  const table = i32x4.splat(load<u32>(call, CALL_TABLE)), rowBytes = i32x4.splat(load<u32>(call, CALL_ROW_BYTES));
  const base = i32x4.splat(load<u32>(call, CALL_ROW_BASE)), limit = i32x4.splat(load<u32>(call, CALL_ROWS));
  const padding = i32x4.splat(load<u32>(call, CALL_PADDING));
  let keys = keysOf(call, first), out = groupOf(call), plain = i32x4.splat(-1);
  const end = out + (<usize>(count & ~3) << 2);
  for (; out < end; out += 16) {
    let key: v128;
    if (wide) {
      key = lowWords(keys);
      plain = v128.and(plain, i32x4.eq(highWords(keys), i32x4.splat(0)));
      keys += 32;
    } else {
      key = v128.load(keys);
      keys += 16;
    }
    const row = i32x4.sub(key, base);
    plain = v128.and(plain, v128.andnot(i32x4.lt_u(row, limit), i32x4.eq(key, padding)));
    v128.store(out, i32x4.add(table, i32x4.mul(row, rowBytes)));
  }
  if (!i32x4.all_true(plain)) return false;
  for (let i = count & ~3; i < count; i++) {
    const key = keyAt(call, first + i);
    const row = <u32>key - load<u32>(call, CALL_ROW_BASE);
    if (key >> 32 || row >= load<u32>(call, CALL_ROWS) || <u32>key == load<u32>(call, CALL_PADDING)) return false;
    store<u32>(out, load<u32>(call, CALL_TABLE) + row * load<u32>(call, CALL_ROW_BYTES));
    out += 4;
  }
  return true;
}

@inline function keyAt(call: usize, position: u32): u64 {
  const keys = keysOf(call, position);
  return load<u32>(call, CALL_KEY_BYTES) == 8 ? load<u64>(keys) : <u64>load<u32>(keys);
}

/** Writes the addresses and weights of the rows kept. Leaves out padded and missing keys, and notes their outcomes. */
function resolve(call: usize, first: u32, count: u32): i32 {
  const rows = groupOf(call), weights = load<u32>(call, CALL_WEIGHTS);
  const outcomes = load<u32>(call, CALL_OUTCOMES) + first;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(keptAt(rows, i), kept);
    const key = keyAt(call, first + i);
    const row = key - load<u32>(call, CALL_ROW_BASE);
    let address: usize;
    const here = row < load<u32>(call, CALL_ROWS);
    // Another shard answers for this key and notes its outcome.
    if (!here && (key < load<u32>(call, CALL_TABLE_ROWS) || !load<u32>(call, CALL_LAST_SHARD))) continue;
    if (key == load<u32>(call, CALL_PADDING) && key != NONE) {
      note(call, outcomes + i, OUTCOME_PADDED);
      continue;
    } else if (here) {
      address = load<u32>(call, CALL_TABLE) + <u32>row * load<u32>(call, CALL_ROW_BYTES);
    } else if (key >> 32 || load<u32>(call, CALL_MISSING) == MISSING_ERROR) {
      store<u32>(call, first + i, CALL_ERROR_POSITION);
      return BAD_KEY;
    } else if (load<u32>(call, CALL_MISSING) == MISSING_DEFAULT) {
      note(call, outcomes + i, OUTCOME_DEFAULTED);
      address = load<u32>(call, CALL_DEFAULT_ROW);
    } else {
      note(call, outcomes + i, OUTCOME_MISSING);
      continue;
    }
    store<u32>(rows + (kept << 2), address);
    if (weights) store<f32>(weightsOf(rows) + (kept << 2), load<f32>(weights + (<usize>(first + i) << 2)));
    kept++;
  }
  store<u32>(keptAt(rows, count), kept);
  return DONE;
}

@inline function note(call: usize, outcome: usize, what: u32): void {
  store<u8>(outcome, what);
  store<u32>(call, load<u32>(call, CALL_EXCEPTIONS) + 1, CALL_EXCEPTIONS);
}
