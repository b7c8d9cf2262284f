// A pooling problem as it lies in memory, read by both compilers: tsc for the tests, asc for assembly/. Fields are u32
// at byte offsets from IMAGE; addresses are those of the memory. Call blocks: src/kernel/layout.ts.

/** Where the problem at hand begins. Below it nothing is touched. */
export const IMAGE = 65536;
/** Bytes of all of it. */
export const IMAGE_BYTES = 0;
/** Pool blocks, a shard each: how many, and where the first is; the others follow. */
export const IMAGE_POOLS = 4;
export const IMAGE_POOL_BLOCKS = 8;
/** Keys that one kernel call handles. */
export const IMAGE_BUDGET = 12;
/** Merge blocks, a shard each, or none; with the first the bags are divided at the end. */
export const IMAGE_MERGES = 16;
export const IMAGE_MERGE_BLOCKS = 20;
/** What is digested: pooled f32, counts u32, outcomes u8. Address and bytes of each. */
export const IMAGE_OUTPUTS = 24;
export const OUTPUTS = 3;
export const IMAGE_HEADER_BYTES = 64;

/** Bytes that a tape's problems lie behind: no drawn problem is as large. */
export const TAPE = 33554432;

// Throughput is measured on these bags, of these rows.
export const SPIN_ROWS = 20000;
export const SPIN_DIM = 64;
export const SPIN_BAGS = 256;
export const SPIN_BAG_KEYS = 40;
