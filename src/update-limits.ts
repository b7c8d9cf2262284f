// Limits of row updates. docs/operating.md says what each protects.

/** Rows and deletes of a batch. A batch is written to memory at once, while lookups of the node wait. */
export const batchRowsMax = 8_192;
/** Bytes of a batch. A server of NATS takes messages of 1 MiB by default, with their headers. */
export const batchBytesMax = 1_000_000;
/** Digests of a chain that its follower remembers: it tells a batch that lost a race from a fork. */
export const chainHistoryMax = 64;
/** Bytes of the stream of row updates. The oldest make room. */
export const updateStreamBytes = 1_073_741_824;
/** Milliseconds of an update, until every node has applied it, if its caller says nothing. */
export const updateMsDefault = 30_000;
/** Between questions to nodes whether they have applied an update. */
export const updatePollMs = 10;
/** Longest pause of a writer before it tries again, because another was quicker. */
export const updatePauseMsMax = 50;
/** Bytes of a file of updates that are written together. */
export const updateBytesAtOnce = 33_554_432;
