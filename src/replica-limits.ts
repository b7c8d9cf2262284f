// Limits of replicas, of a second subrequest for a late one, and of waits for updated rows.

/** Nodes that hold the same shard, and characters of the name of a zone. */
export const replicasMax = 8;
export const zoneCharsMax = 1_024;

/**
 * Hedges: the share of one that each subrequest to replicas allows, and the most that are saved up; how long a subrequest waits at
 * least for its reply before it is hedged, and how long while fewer replies than this have said how long they take.
 */
export const hedgeShareMax = 0.1;
export const hedgeReserve = 16;
export const hedgeMsMin = 1;
export const hedgeMsDefault = 100;
export const hedgeSamplesMin = 32;
/** The share of replies that a hedge waits for: the others are late. */
export const hedgeQuantile = 0.95;

/** Pauses before nodes are asked again whose rows do not have the updates that a lookup wants. Each is twice as long as the one before. */
export const stalePauseMsMin = 5;
export const stalePauseMsMax = 50;

/** How long what a reply says of the queue of its node counts. */
export const loadHintMsMax = 20;
