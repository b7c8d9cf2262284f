// The contract between host and kernels, read by both compilers: tsc for src/, asc for assembly/.
// A kernel takes one pointer to a call block in its memory, and returns a status. Every field is a u32
// (or f32) at the byte offset given here; pointers are byte addresses in the same memory.

// Status of a kernel call.
export const DONE = 0;
/** The row budget was used up: call again with the same block to go on. */
export const MORE = 1;
/** A key has no row and the policy is MISSING_ERROR, or it is not a u32. CALL_ERROR_POSITION holds its position. */
export const BAD_KEY = 2;
/** Offsets decrease, or exceed the number of keys. CALL_ERROR_POSITION holds the bag. */
export const BAD_OFFSETS = 3;
/** The index has no space for another key. */
export const INDEX_FULL = 4;

// Row formats.
export const F32 = 0;
export const F16 = 1;
export const INT8 = 2;
export const INT4 = 3;
/** Only as a source of encodeRows. */
export const BF16 = 4;

// Pooling modes. Mean and sqrtn fold as sums and divide once, at the end.
export const SUM = 0;
export const MEAN = 1;
export const SQRTN = 2;
export const MAX = 3;

// What to do with a key that has no row.
export const MISSING_ERROR = 0;
export const MISSING_SKIP = 1;
export const MISSING_DEFAULT = 2;

// The outcome of a key (CALL_OUTCOMES, one byte per key). The host sets all of them to 0; kernels write only the
// outcomes of keys that they do not simply pool.
export const OUTCOME_POOLED = 0;
export const OUTCOME_PADDED = 1;
export const OUTCOME_MISSING = 2;
export const OUTCOME_DEFAULTED = 3;

/** No row. It is never a valid row or key, because a table has at most 2^32 − 2 rows. */
export const NONE = 0xffffffff;

// The call block of pool and gather.
// Table: the rows of one shard, rows [ROW_BASE, ROW_BASE + ROWS) of a table of TABLE_ROWS.
export const CALL_TABLE = 0;
export const CALL_ROWS = 4;
export const CALL_ROW_BASE = 8;
export const CALL_TABLE_ROWS = 12;
export const CALL_ROW_BYTES = 16;
export const CALL_DIM = 20;
export const CALL_DTYPE = 24;
/** 1: every value of these rows is finite, which was checked when they were stored. Selects faster folds, same bits. */
export const CALL_FINITE = 28;
export const CALL_MODE = 32;
/** 1: leave the division of mean and sqrtn to `merge`. */
export const CALL_PARTIAL = 36;
/** 1: touch the rows of a group before folding them (for tables larger than the cache). */
export const CALL_TOUCH = 40;
// Bags: keys u32 or u64 (KEY_BYTES 4 or 8), offsets u32 [bags + 1] (pool only), weights f32 [keys] or null.
export const CALL_KEYS = 44;
export const CALL_KEY_BYTES = 48;
export const CALL_KEY_COUNT = 52;
export const CALL_OFFSETS = 56;
export const CALL_WEIGHTS = 60;
// Progress of the call: the next bag, the end of bags, the next key. gather counts each key as a bag.
export const CALL_BAG = 64;
export const CALL_BAG_END = 68;
export const CALL_KEY = 72;
// Policies. Padding: the key that is never pooled, or NONE.
export const CALL_PADDING = 76;
export const CALL_MISSING = 80;
/** Address of the row that is used for missing keys (MISSING_DEFAULT). */
export const CALL_DEFAULT_ROW = 84;
/** 1: this shard answers for keys past the end of the table. */
export const CALL_LAST_SHARD = 88;
// Results: pooled f32 [bags, dim]; counts u32 [bags]; denominators f32 [bags] (weighted mean: Σw, weighted
// sqrtn: Σw², otherwise unused); outcomes u8 [keys]. Scratch: SCRATCH_BYTES, 16-aligned.
export const CALL_OUT = 92;
export const CALL_COUNTS = 96;
export const CALL_DENOMINATORS = 100;
export const CALL_OUTCOMES = 104;
export const CALL_SCRATCH = 108;
/** How many keys were padded, missing or defaulted, added up over the slices. */
export const CALL_EXCEPTIONS = 112;
export const CALL_ERROR_POSITION = 116;
/** Rows of the current group. */
export const CALL_KEPT = 120;
export const CALL_BYTES = 128;

// A group: the keys whose rows are touched and then folded together, so that they are still in the cache.
export const GROUP_KEYS = 512;
export const GROUP_KEYS_MIN = 16;
export const GROUP_BYTES = 65536;
/** Most bags that end within one group. This limits the work of empty bags. */
export const GROUP_BAGS = 1024;
/** Bytes that a call needs for a group: five u32 per key, and one cache line. */
export const SCRATCH_BYTES = 10304;

// The call block of merge and divide. merge: partials f32 [bags, dim], counts u32 [bags], denominators f32 [bags]
// or null. Bag numbers u32 [bags] give the bag of the output that each partial belongs to; null: the same bag number.
// Output: f32 [bags, dim], counts u32 [bags] (0 before the first merge), denominators f32 [bags] or null.
export const MERGE_BAGS = 0;
export const MERGE_DIM = 4;
export const MERGE_MODE = 8;
export const MERGE_PARTIALS = 12;
export const MERGE_COUNTS = 16;
export const MERGE_DENOMINATORS = 20;
export const MERGE_BAG_NUMBERS = 24;
export const MERGE_OUT = 28;
export const MERGE_OUT_COUNTS = 32;
export const MERGE_OUT_DENOMINATORS = 36;
export const MERGE_BYTES = 64;

// A key index: u64 keys to u32 slots, in buckets of one cache line after a header of INDEX_HEADER_BYTES.
// Bucket: five u64 keys, five u32 slots (NONE if free), u32 count of keys that found it full and went to a later one.
export const INDEX_BUCKETS = 0;
export const INDEX_COUNT = 4;
/** Most keys that it can hold: BUCKETS × 5 × 0.6. With more keys, chains would grow. */
export const INDEX_CAPACITY = 8;
export const INDEX_HEADER_BYTES = 64;
export const BUCKET_KEYS = 5;
export const BUCKET_SLOTS = 40;
export const BUCKET_PASSED = 60;
export const BUCKET_BYTES = 64;
/** Keys handled together: hashed, then touched, then compared. */
export const INDEX_CHUNK = 512;
export const INDEX_SCRATCH_BYTES = 4096;

// De-duplication: a table of u32 entries after a header of DEDUPE_HEADER_BYTES, zero before its first use.
export const DEDUPE_GENERATION = 0;
/** Bits of a position in the current entries of the table. */
export const DEDUPE_BITS = 4;
export const DEDUPE_HEADER_BYTES = 64;
/** Keys hashed, then looked up, together. */
export const DEDUPE_CHUNK = 128;

// The state of a checksum: twenty u32 sums, space for a block of its input, and what was mixed so far. All of it is 0
// at the start (assembly/checksum.ts).
export const CHECKSUM_BLOCK_BYTES = 64;
export const CHECKSUM_BYTES = 160;
