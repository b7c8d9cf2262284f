// The layout of a pooling problem in memory. Both compilers read this file: tsc for the tests, asc for assembly/.
// Fields are u32 at byte offsets from IMAGE, and addresses are those of the memory. Call blocks: src/kernel/layout.ts.

/** The address of the current problem. Bytes below it are not changed. */
export const IMAGE = 65536;
/** Bytes of the whole image. */
export const IMAGE_BYTES = 0;
/** Pool blocks, one for each shard: their number, and the address of the first; the others follow. */
export const IMAGE_POOLS = 4;
export const IMAGE_POOL_BLOCKS = 8;
/** The number of keys that one kernel call processes. */
export const IMAGE_BUDGET = 12;
/** Merge blocks, one for each shard, or none. The first is also used to divide the bags at the end. */
export const IMAGE_MERGES = 16;
export const IMAGE_MERGE_BLOCKS = 20;
/** Address and bytes of each output that is digested: pooled f32, counts u32, outcomes u8. */
export const IMAGE_OUTPUTS = 24;
export const OUTPUTS = 3;
export const IMAGE_HEADER_BYTES = 64;

/** The address of the tape. No drawn problem is as large as the memory before it. */
export const TAPE = 33554432;

// The rows and bags for throughput.
export const SPIN_ROWS = 20000;
export const SPIN_DIM = 64;
export const SPIN_BAGS = 256;
export const SPIN_BAG_KEYS = 40;
