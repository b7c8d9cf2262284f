/**
 * One load from every cache line of the group's rows. WebAssembly has no prefetch; a load whose value is
 * dropped is kept by every optimiser, because it may trap, and many of them are in flight at once.
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
  for (; rows < end; rows += 4) {
    const row = <usize>load<u32>(rows), last = row + rowBytes - 1;
    let p = row;
    for (; p + 256 <= last; p += 256) { load<u8>(p); load<u8>(p, 64); load<u8>(p, 128); load<u8>(p, 192); }
    for (; p < last; p += 64) load<u8>(p);
    load<u8>(last);
  }
}

/** Rows of as many lines as L has bytes, and of one more where they straddle (S of one byte). */
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
  if (sizeof<S>() == 1) load<u8>(row + (rowBytes - 1));
}

/**
 * Touches the rows of keys that are a shard's, u32 or u64 [count], before any of them is pooled: many short segments
 * wait for memory together instead of one after the other.
 */
export function approach(
  table: usize, rows: u32, rowBase: u32, rowBytes: u32, keys: usize, keyBytes: u32, count: u32,
): void {
  const end = keys + <usize>count * keyBytes;
  for (; keys < end; keys += keyBytes) {
    // Wide keys past 2^32 touch a row in vain.
    const row = load<u32>(keys) - rowBase;
    if (row >= rows) continue;
    let p = table + <usize>row * rowBytes;
    const last = p + rowBytes - 1;
    for (; p + 256 <= last; p += 256) { load<u8>(p); load<u8>(p, 64); load<u8>(p, 128); load<u8>(p, 192); }
    for (; p < last; p += 64) load<u8>(p);
    load<u8>(last);
  }
}
