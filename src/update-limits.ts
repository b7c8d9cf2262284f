// Limits of row updates. docs/operating.md says what each protects.

/**
 * Rows and deletes of a batch. A batch is written to memory at once, while lookups of the node wait. And its keys are in the headers
 * of a message of NATS, which have at most 64 KiB.
 */
export const batchRowsMax = 4_096;
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
/** How often a node looks for batches that nobody has told it of, and compares its chains with those of the log. */
export const updateCheckMs = 1_000;
/** Bytes of batches that a node has heard and not written yet. It reads others from the log. */
export const heardBytesMax = 16_777_216;
/** How long a batch waits that could not be written because of answers in progress. */
export const updateLaterMs = 5;
/** A node does not serve new rows if the log has not answered for so long, because they may lack updates. */
export const updateAwayMsMax = 30_000;
/** After so many failures of the log in a row, a node waits for its next check. */
export const updateFailuresMax = 3;
/** Most checks that a shard leaves out whose batches do not continue its rows, although they were just read again. */
export const updateRestsMax = 64;
/**
 * How long after all that the stream had acknowledged was heard, a ranker's cache answers for tables that take updates; how often a
 * ranker asks the stream whether it has heard everything.
 */
export const cacheBehindMsMax = 2_000;
export const cacheCheckMs = 500;
/** A ranker reads the stream of updates anew if it does not get for so long what the stream has. */
export const cacheStalledMsMax = 5_000;
/** Batches of a shard, the last ones, of which a ranker knows when it has heard them. */
export const cacheHeardMax = 64;
/** Chains of a stream of which a ranker's cache knows where they end. Bags of others are not added. */
export const cacheChainsMax = 65_536;
/** Rows for ids that come later, of an indexed shard: a share of its rows, and at least so many. */
export const spareRowsShare = 0.1;
export const spareRowsMin = 1_024;
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
/** Bytes of rows that have changed, which a command keeps in memory to write them to a file; and how many of them a key counts for. */
export const changedBytesMax = 2_147_483_648;
export const changedKeyBytes = 160;
/** Rows of a file that are put together before they are written. */
export const dumpPieceRows = 4_096;
