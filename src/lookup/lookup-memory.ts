import type { RankerKernels } from '../kernel/kernels.ts';
import type { FreeList } from '../store/free-list.ts';

/** A memory of fixed size in which lookups are prepared and merged: its kernels, its views, and its allocator. */
export interface LookupMemory {
  readonly kernels: RankerKernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  readonly longs: BigUint64Array;
  readonly slots: FreeList;
}
