/** The kernels of a ranker. */
export type RankerKernels = Pick<
  Kernels,
  | 'openAsk'
  | 'ask'
  | 'checkReply'
  | 'openMerge'
  | 'mergeReplies'
  | 'positionOf'
  | 'openSurvey'
  | 'weighEntries'
  | 'pickEntries'
  | 'adoptEntries'
  | 'openGrowth'
  | 'spreadBuckets'
  | 'noteUpdates'
  | 'checksum'
  | 'checksumAdd'
  | 'checksumEnd'
>;

/**
 * The kernels, seen from TypeScript. Every pointer is a byte address in the memory that they were instantiated over.
 * Kernels copy no arguments and allocate nothing. Block layouts and status codes: layout.ts.
 */
export interface Kernels {
  /** Pools bags of a call block. @returns DONE, MORE, BAD_KEY or BAD_OFFSETS */
  pool(call: number, budget: number): number;
  /** Writes one row per key of a call block. @returns DONE, MORE, BAD_KEY or BAD_OFFSETS */
  gather(call: number, budget: number): number;
  /** Writes the stored bytes of one row per key of a call block. @returns as gather */
  fetch(call: number, budget: number): number;
  /** Reads a subrequest and computes what its answer needs (answer-layout.ts). @returns DONE or REFUSED */
  openAnswer(answer: number, served: number, frame: number, bytes: number, head: number): number;
  /** Continues an answer for one slice. @returns DONE, MORE or REFUSED */
  answer(answer: number, budget: number): number;
  /** Checks the form of the bags of a lookup (ask-layout.ts). @returns DONE, BAD_OFFSETS or BAD_WEIGHTS */
  openAsk(block: number): number;
  /** Continues a lookup for about `budget` keys. @returns DONE, MORE, BAD_KEY, BAD_POLICY or TOO_LARGE */
  ask(block: number, budget: number): number;
  /** Checks everything in a reply after its values. @returns DONE, BAD_COUNT, BAD_EXCEPTION or BAD_OUTCOME */
  checkReply(block: number, frame: number, tail: number, bytes: number, exceptions: number): number;
  /** Lists the ranges of replies that the merge reads, and computes the memory that it needs. */
  openMerge(block: number): void;
  /** Continues a merge for about `budget` keys. @returns DONE or MORE; another status if rows cannot be pooled */
  mergeReplies(block: number, budget: number): number;
  /** The position, among the keys that were given, of a key that was sent for a segment. */
  positionOf(block: number, segment: number, key: number): number;
  /** Begins a survey of the entries of a cache (cache-layout.ts: SURVEY_*). */
  openSurvey(cache: number, survey: number, pinned: number): void;
  /** Adds the bytes of at most `most` entries, by their chances. @returns DONE or MORE */
  weighEntries(cache: number, survey: number, most: number): number;
  /** Lists which of at most `most` entries are taken. @returns DONE or MORE */
  pickEntries(cache: number, survey: number, most: number): number;
  /** Adds at most `most` entries that were copied to the log of a cache. @param bytes of all @returns DONE or MORE */
  adoptEntries(cache: number, bytes: number, most: number): number;
  /** Begins to give the index of a cache more buckets. */
  openGrowth(cache: number, buckets: number): void;
  /** Moves the entries of at most `most` buckets. @returns DONE or MORE */
  spreadBuckets(cache: number, most: number): number;
  /** Notes in a cache that keys u64 [count] were updated. @param number of their table */
  noteUpdates(cache: number, number: number, keys: number, count: number, tick: number): void;
  /** Computes the checksum of a whole frame. @param sums address of CHECKSUM_BYTES @returns an i32 */
  checksum(sums: number, frame: number, bytes: number): number;
  /** Adds bytes to the checksum of a frame. @param sums address of CHECKSUM_BYTES, which are 0 at the start */
  checksumAdd(sums: number, data: number, bytes: number): void;
  /** Adds the header of the frame. @returns the checksum, an i32 */
  checksumEnd(sums: number, header: number): number;
  /** Merges the partials of one shard (a merge block) into the results of earlier shards. */
  merge(call: number): void;
  /** Ends the bags of a merge block: mean and sqrtn divide, empty bags become 0. */
  divide(call: number): void;
  /** keys u64 [count] → hashes u32 [count]. The hash decides which shard of an indexed table holds a key. */
  shardHashes(keys: number, hashes: number, count: number): void;
  /** Makes an empty index of INDEX_HEADER_BYTES + buckets × BUCKET_BYTES, 64-aligned. */
  indexClear(index: number, buckets: number): void;
  /** keys u64 [count] → slots u32 [count], NONE where absent. */
  indexFind(index: number, keys: number, slots: number, count: number, scratch: number): void;
  /** Sets slots, adding new keys. @returns DONE or INDEX_FULL */
  indexInsert(index: number, keys: number, slots: number, count: number, scratch: number): number;
  /** Removes keys and writes the slots they had, or NONE. */
  indexRemove(index: number, keys: number, slots: number, count: number, scratch: number): void;
  /** Lists the entries of buckets [first, end). @returns how many */
  indexEntries(index: number, first: number, end: number, keys: number, slots: number): number;
  /** keys u64 [count] → unique u64, inverse u32 [count]; table: u32 [entries]. @returns how many are unique */
  deduplicate(
    keys: number,
    count: number,
    unique: number,
    inverse: number,
    table: number,
    entries: number,
  ): number;
  /** rows × dim of F32, F16 or BF16 → rows in `dtype`. @returns NONE, or the first row that is not finite */
  encodeRows(
    source: number,
    sourceDtype: number,
    rows: number,
    dim: number,
    dtype: number,
    out: number,
  ): number;
  /** Reads the cache lines that `scatterRows` will write. */
  approachRows(rows: number, count: number, rowBytes: number, address: number): void;
  /** Copies packed rows to rows u32 [count] of those at `address`. */
  scatterRows(from: number, rows: number, count: number, rowBytes: number, address: number): void;
  /** @returns 1 if every value of the rows is finite */
  rowsFinite(rows: number, dtype: number, count: number, dim: number): number;
}
