import { CALL_ROW_BASE, CALL_ROW_BYTES, CALL_ROWS, CALL_TABLE, GROUP_KEYS } from '../src/kernel/layout';

/**
 * Loads from every cache line of the group's rows. WebAssembly has no prefetch. Every optimiser keeps a load whose
 * value is dropped, because it may trap, and many such loads are in flight at once.
 */
export function touch(rows: usize, end: usize, rowBytes: u32): void {
  const straddling = ((load<u32>(rows) | rowBytes) & 63) != 0, lines = (rowBytes + 63) >> 6;
  // Unrolled: the fewer instructions a load costs, the more loads are in flight.
  if (lines == 1) {
    return straddling ? touchLines<u8, u8>(rows, end, rowBytes) : touchLines<u8, u16>(rows, end, rowBytes);
  }
  if (lines == 2) {
    return straddling ? touchLines<u16, u8>(rows, end, rowBytes) : touchLines<u16, u16>(rows, end, rowBytes);
  }
  if (lines == 4) {
    return straddling ? touchLines<u32, u8>(rows, end, rowBytes) : touchLines<u32, u16>(rows, end, rowBytes);
  }
  if (lines == 8) {
    return straddling ? touchLines<u64, u8>(rows, end, rowBytes) : touchLines<u64, u16>(rows, end, rowBytes);
  }
  for (; rows < end; rows += 4) {
    const row = <usize>load<u32>(rows), last = row + rowBytes - 1;
    let p = row;
    for (; p + 256 <= last; p += 256) { load<u8>(p); load<u8>(p, 64); load<u8>(p, 128); load<u8>(p, 192); }
    for (; p < last; p += 64) load<u8>(p);
    load<u8>(last);
  }
}

/** Touches rows of as many cache lines as L has bytes, and one more line if rows straddle lines (S has one byte). */
@inline function touchLines<L, S>(rows: usize, end: usize, rowBytes: u32): void {
  for (; rows + 16 <= end; rows += 16) {
    const two = load<u64>(rows), more = load<u64>(rows, 8);
    touchRow<L, S>(<usize>two, rowBytes); touchRow<L, S>(<usize>(two >> 32), rowBytes);
    touchRow<L, S>(<usize>more, rowBytes); touchRow<L, S>(<usize>(more >> 32), rowBytes);
  }
  for (; rows < end; rows += 4) touchRow<L, S>(load<u32>(rows), rowBytes);
}

@inline function touchRow<L, S>(row: usize, rowBytes: u32): void {
  load<u8>(row);
  if (sizeof<L>() >= 2) load<u8>(row, 64);
  if (sizeof<L>() >= 4) { load<u8>(row, 128); load<u8>(row, 192); }
  if (sizeof<L>() == 8) { load<u8>(row, 256); load<u8>(row, 320); load<u8>(row, 384); load<u8>(row, 448); }
  if (sizeof<S>() == 1) load<u8>(row + (rowBytes - 1));
}

/** Touches each of the addresses u32 [at, end). */
export function touchEach(at: usize, end: usize): void { touchAfter(at, end, 0); }
/** Touches what is `plus` bytes after each of the addresses u32 [at, end). */
export function touchEachAfter(at: usize, end: usize, plus: usize): void { touchAfter(at, end, plus); }

@inline function touchAfter(at: usize, end: usize, plus: usize): void {
  for (; at + 32 <= end; at += 32) {
    load<u8>(load<u32>(at) + plus); load<u8>(load<u32>(at, 4) + plus);
    load<u8>(load<u32>(at, 8) + plus); load<u8>(load<u32>(at, 12) + plus);
    load<u8>(load<u32>(at, 16) + plus); load<u8>(load<u32>(at, 20) + plus);
    load<u8>(load<u32>(at, 24) + plus); load<u8>(load<u32>(at, 28) + plus);
  }
  for (; at < end; at += 4) load<u8>(load<u32>(at) + plus);
}

/**
 * Touches the rows of keys, u32 or u64 [count], that a shard holds, before any of them is pooled. Many short segments
 * then wait for memory together, not one after the other.
 * @param shard its call block @param group scratch, which holds addresses during this call
 */
export function approach(shard: usize, group: usize, keys: usize, keyBytes: u32, count: u32): void {
  const table = load<u32>(shard, CALL_TABLE), rows = load<u32>(shard, CALL_ROWS), base = load<u32>(shard, CALL_ROW_BASE);
  const rowBytes = load<u32>(shard, CALL_ROW_BYTES);
  for (const end = keys + <usize>count * keyBytes; keys < end;) {
    const stop = min(end, keys + <usize>GROUP_KEYS * keyBytes);
    let next = group;
    for (; keys < stop; keys += keyBytes) {
      // Wide keys above 2^32 may touch a row that is not needed.
      const row = load<u32>(keys) - base;
      if (row >= rows) continue;
      store<u32>(next, table + row * rowBytes);
      next += 4;
    }
    if (next > group) touch(group, next, rowBytes);
  }
}
