// How connections are set up. Each choice with its reason; test/rdma says what comes of them.

/**
 * Time-out of an unanswered packet, as verbs count it: 4.096 µs × 2^14 = 67 ms. Seven retries give a peer that is cut
 * off about half a second, well within the deadline of a lookup, and ride out losses of a percent without an error.
 */
export const ackTimeout = 14;
export const ackRetries = 7;

/** Receives are posted before credits are given, so "receiver not ready" is a fault: six waits of 0.64 ms, then it ends. */
export const receiverNotReadyTimer = 12;
export const receiverNotReadyRetries = 6;

/** READs of one connection under way, at most; less where a device has less. */
export const readsInFlightMax = 16;

/**
 * Frames up to here leave inline: the processor copies them beside the request, and the card need not fetch them. No
 * attribute tells how much a device takes; most take this much, and one that refuses is asked for half.
 */
export const inlineBytesMax = 256;

/** How long a thread polls after the last completion before it lets the card wake it: less than waking up costs twice. */
export const spinUs = 50;

/** Completions taken in one go: fewer, and the turns of a thread that many answer at once cost more than its work. */
export const completionsAtOnce = 256;

/** Of one worker or ranker: all its connections complete here. */
export const completionQueueDepth = 32_767;

/** Until a connection that was lost is tried again, doubling; and how long setting one up may take. */
export const reconnectMsMin = 50;
export const reconnectMsMax = 5_000;
export const handshakeMsMax = 3_000;
