// Limits of row updates. docs/operating.md says what each protects.

/** Rows and deletes of a batch. A batch is written to memory at once, while lookups of the node wait. */
export const batchRowsMax = 8_192;
/** Bytes of a batch. A server of NATS takes messages of 1 MiB by default, with their headers. */
export const batchBytesMax = 1_000_000;
/** Digests of a chain that its follower remembers: it tells a batch that lost a race from a fork. */
export const chainHistoryMax = 64;
/**
 * How long a write of rows may keep a worker waiting before it answers UNAVAILABLE; how long the thread that writes waits for workers
 * that read rows, or that wait themselves, before it tries again later.
 */
export const gateWorkerMsMax = 2_000;
export const gateWriterMsMax = 500;
/** Rows for ids that come later, of an indexed shard: a share of its rows, and at least so many. */
export const spareRowsShare = 0.1;
export const spareRowsMin = 1_024;
/** Bytes of the stream of row updates. The oldest make room. */
export const updateStreamBytes = 1_073_741_824;
