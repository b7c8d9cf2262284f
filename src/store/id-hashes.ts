import type { Kernels } from '../kernel/kernels.ts';

const chunkIds = 4096;

/** Kernels, and a memory of at least two pages that nothing else uses. */
export interface Hasher {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

/**
 * Yields the hashes of ids, one chunk at a time. The hash of an id decides which shard of an indexed table holds it.
 * `hashes` is valid until the next chunk.
 */
export function* idHashes(
  { kernels, memory }: Hasher,
  ids: BigUint64Array | BigInt64Array,
): Generator<{ readonly first: number; readonly hashes: Uint32Array }> {
  const keys = new BigUint64Array(memory.buffer, 0, chunkIds);
  const hashes = new Uint32Array(memory.buffer, chunkIds * 8, chunkIds);
  for (let first = 0; first < ids.length; first += chunkIds) {
    const chunk = ids.subarray(first, first + chunkIds);
    keys.set(new BigUint64Array(chunk.buffer, chunk.byteOffset, chunk.length));
    kernels.shardHashes(0, chunkIds * 8, chunk.length);
    yield { first, hashes: hashes.subarray(0, chunk.length) };
  }
}
