// Memory of the component: what callers hand in is ours to free, what we hand out is freed once it was read.

/** Pieces of so many bytes begin on a cache line, so that rows lie on as few of them as they can. */
const LARGE: usize = 4096;
const LINE: usize = 64;

/** A piece of `bytes` bytes, 16-aligned; any address where there are none. */
export function take(bytes: usize): usize {
  if (bytes < LARGE) return bytes ? heap.alloc(bytes) : 16;
  const piece = heap.alloc(bytes + LINE), address = (piece + LINE) & ~(LINE - 1);
  // Where it begins is needed to give it back: there is room for that before it, since pieces are 16-aligned.
  store<u32>(address - 4, piece);
  return address;
}

export function give(address: usize, bytes: usize): void {
  if (bytes) heap.free(bytes < LARGE ? address : load<u32>(address - 4));
}

export function realloc(old: usize, oldBytes: usize, align: usize, bytes: usize): usize {
  const address = take(bytes);
  memory.copy(address, old, min(oldBytes, bytes));
  give(old, oldBytes);
  return address;
}
