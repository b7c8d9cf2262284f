// Memory of the component. We free what callers pass in. What we return is freed after it was read.

/** Pieces of at least LARGE bytes begin on a cache line, so that their rows take as few cache lines as possible. */
const LARGE: usize = 4096;
const LINE: usize = 64;

/** Allocates a piece of `bytes` bytes, 16-aligned. Returns any address if `bytes` is 0. */
export function take(bytes: usize): usize {
  if (bytes < LARGE) return bytes ? heap.alloc(bytes) : 16;
  const piece = heap.alloc(bytes + LINE), address = (piece + LINE) & ~(LINE - 1);
  // `give` needs the start of the piece. There is space for it before the address, because pieces are 16-aligned.
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
