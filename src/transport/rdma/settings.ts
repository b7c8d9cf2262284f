// Settings of connections, each with its reason. The tests in test/rdma show their effects.

/**
 * Timeout of an unacknowledged packet, in the unit of verbs: 4.096 µs × 2^14 = 67 ms. With seven retries, a connection
 * to a peer that is cut off ends after about half a second, well within the deadline of a lookup. A loss of one percent
 * of the packets causes no error.
 */
export const ackTimeout = 14;
export const ackRetries = 7;

/**
 * Receives are posted before credits are given, so "receiver not ready" is a fault. The connection ends after six waits
 * of 0.64 ms.
 */
export const receiverNotReadyTimer = 12;
export const receiverNotReadyRetries = 6;

/** Most READs of one connection in flight. It is lower if one of the devices supports fewer. */
export const readsInFlightMax = 16;

/**
 * Most bytes of a frame that is sent inline: the CPU copies it into the work request, so the card need not fetch it.
 * No attribute tells how many inline bytes a device accepts. Most accept this many. If one refuses, half as many are
 * tried.
 */
export const inlineBytesMax = 256;

/**
 * How long a thread polls after the last completion before it lets the card wake it. This takes less time than two
 * wake-ups.
 */
export const spinUs = 50;

/**
 * Most completions that one poll returns. With fewer, a thread that gets many replies at once would spend more time on
 * turns of the event loop than on the replies.
 */
export const completionsAtOnce = 256;

/** Capacity of the completion queue that all connections of one worker or ranker share. */
export const completionQueueDepth = 32_767;

/**
 * How long a ranker may take to confirm that it does not read the rows of a freed release any more. Then the node ends the connection, and
 * the ranker connects again. READs under way take half a second at most.
 */
export const forgetMsMax = 2_000;

/** Wait before a new attempt to connect, which doubles each time, and longest time that an attempt may take. */
export const reconnectMsMin = 50;
export const reconnectMsMax = 5_000;
export const handshakeMsMax = 3_000;
