// Scattering: writes rows to their places in a shard. Lookups of the node wait for it, so it does nothing else.

/**
 * Copies row i of `from` (packed) to row `rows[i]` (u32) of the rows at `address`.
 * @param rows u32 [count], each of them a row that is there
 */
export function scatterRows(from: usize, rows: usize, count: u32, rowBytes: u32, address: usize): void {
  const end = rows + (<usize>count << 2);
  for (; rows < end; rows += 4, from += rowBytes) {
    const to = address + <usize>load<u32>(rows) * rowBytes;
    if (rowBytes < 16) memory.copy(to, from, rowBytes);
    else copyWide(to, from, rowBytes);
  }
}

/** Copies 16 bytes at a time. The last 16 bytes may overlap those before them. */
@inline function copyWide(to: usize, from: usize, bytes: usize): void {
  const last = bytes - 16;
  for (let at: usize = 0; at < last; at += 16) v128.store(to + at, v128.load(from + at));
  v128.store(to + last, v128.load(from + last));
}

/**
 * Loads from the cache lines that `scatterRows` will write, while lookups still go on. WebAssembly has no prefetch, and optimisers keep
 * a load whose value is dropped.
 */
export function approachRows(rows: usize, count: u32, rowBytes: u32, address: usize): void {
  const end = rows + (<usize>count << 2);
  for (; rows < end; rows += 4) {
    const row = address + <usize>load<u32>(rows) * rowBytes, last = row + rowBytes - 1;
    for (let at = row; at < last; at += 64) load<u8>(at);
    load<u8>(last);
  }
}
