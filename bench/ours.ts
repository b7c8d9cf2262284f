// Our side: one function per kernel. Each makes one kernel call for a batch in the arena.
import type { Kernels } from '../src/kernel/kernels.ts';
import {
  BUCKET_BYTES,
  BUCKET_KEYS,
  CALL_BAG,
  CALL_KEY,
  CALL_KEYS,
  DEDUPE_HEADER_BYTES,
  DONE,
  INDEX_HEADER_BYTES,
  INDEX_SCRATCH_BYTES,
} from '../src/kernel/layout.ts';
import type { Arena } from './arena.ts';

/** No limit on the keys of one call, so that it handles the whole batch. */
const WHOLE_BATCH = 0xffff_ffff;
const INDEX_LOAD = 0.6;

/** Pools all bags of the call block with the keys at `keys`. */
export function pool(kernels: Kernels, u32: Uint32Array, call: number, keys: number): void {
  u32[(call + CALL_BAG) / 4] = 0;
  u32[(call + CALL_KEY) / 4] = 0;
  u32[(call + CALL_KEYS) / 4] = keys;
  const status = kernels.pool(call, WHOLE_BATCH);
  if (status !== DONE) throw new Error(`pool returned ${status}`);
}

export interface Index {
  insert(keys: number, slots: number, n: number): void;
  find(keys: number, slots: number, n: number): void;
}

/** Creates an empty index with space for `capacity` keys. */
export function createIndex(kernels: Kernels, arena: Arena, capacity: number): Index {
  const buckets = Math.ceil(capacity / (BUCKET_KEYS * INDEX_LOAD)) + 1;
  const index = arena.allocate(INDEX_HEADER_BYTES + buckets * BUCKET_BYTES);
  const scratch = arena.allocate(INDEX_SCRATCH_BYTES);
  kernels.indexClear(index, buckets);
  return {
    insert(keys, slots, n) {
      const status = kernels.indexInsert(index, keys, slots, n, scratch);
      if (status !== DONE) throw new Error(`indexInsert returned ${status}`);
    },
    find: (keys, slots, n) => kernels.indexFind(index, keys, slots, n, scratch),
  };
}

/** @returns the number of unique keys */
export type Dedupe = (keys: number, n: number, unique: number, inverse: number) => number;

/** De-duplication of batches of up to `capacity` keys. */
export function createDedupe(kernels: Kernels, arena: Arena, capacity: number): Dedupe {
  const entries = 2 ** Math.ceil(Math.log2(capacity * 4));
  const bytes = DEDUPE_HEADER_BYTES + entries * 4;
  const table = arena.allocate(bytes);
  arena.u8.fill(0, table, table + bytes);
  return (keys, n, unique, inverse) => kernels.deduplicate(keys, n, unique, inverse, table, entries);
}
