// Memory of the component: what callers hand in is ours to free, what we hand out is freed once it was read.

/** A piece of `bytes` bytes, 16-aligned; any address where there are none. */
@inline export function take(bytes: usize): usize { return bytes ? heap.alloc(bytes) : 16; }

@inline export function give(address: usize, bytes: usize): void { if (bytes) heap.free(address); }

export function realloc(old: usize, oldBytes: usize, align: usize, bytes: usize): usize {
  if (bytes == 0) return align;
  return oldBytes ? heap.realloc(old, bytes) : heap.alloc(bytes);
}
