// The limits of models, scorers and scoring services. limits.ts has all others.

/** Candidates of a request; candidates of a batch and in the queue, unless said otherwise; and the most in the queue. */
export const candidatesMax = 65_536;
export const batchCandidatesDefault = 128;
export const queueCandidatesDefault = 4_096;
export const queueCandidatesMax = 1_048_576;

/** Longest time that a request may wait for others. */
export const batchDelayMsMax = 1_000;

/** Threads that run networks; how long one may take to open them, and for a batch, before it is ended. */
export const denseThreadsMax = 64;
export const denseOpenMsMax = 60_000;
export const denseRunMsMax = 60_000;

/** Models: networks, characters of a name, the width of a dense input, and the rows of a padded sequence. */
export const networksMax = 64;
export const modelNameCharsMax = 128;
export const denseWidthMax = 1_048_576;
export const sequenceLengthMax = 65_536;

/** Bytes of one input of a network for one batch. */
export const networkInputBytesMax = 1_073_741_824;

/** Requests that are read in one turn of the event loop. */
export const readsPerTurnMax = 4;

/**
 * Part of its deadline that a request may wait to be read, before others are refused; and the part while requests have
 * waited for less than `turnBurstMs`, for example because the thread had paused.
 */
export const turnWaitShareMax = 0.2;
export const turnBurstShareMax = 0.5;
export const turnBurstMs = 100;

/** Time between two questions of a scoring service to each memory node, whether it is there. */
export const nodeCheckMs = 2_000;

/**
 * A request to score whose tensors are binary: its bytes (in JSON alone at most `jsonBytesMax`), its tensors, and the
 * dimensions of a tensor; and bytes of all requests that were received and not answered yet.
 */
export const scoreBytesMax = 16_777_216;
export const scoreTensorsMax = 16_384;
export const tensorDimsMax = 8;
export const scoreBodiesBytesMax = 134_217_728;

/**
 * A cache that follows the load: the share of the memory for caches that stays free when it grows, the share of it in which the
 * next smaller one is built, and how much larger it must become at least, so that it does not change all the time.
 */
export const cacheReserveShare = 0.125;
export const cacheSpareShare = 0.0625;
export const cacheGrowthMin = 1.125;
/** A cache that has become smaller does not grow for this part of the window. */
export const cacheGrowDelayShare = 0.125;

/** Time between two decisions about such a cache: a part of its window, within these bounds. */
export const cacheDecisionsPerWindow = 32;
export const cacheDecisionMsMin = 20;
export const cacheDecisionMsMax = 1_000;
/**
 * If so much of the capacity is resident when a batch begins, and so much more than after the last time, garbage is collected,
 * not more often than this.
 */
export const cacheCollectShare = 0.9;
export const cacheGarbageShare = 0.05;
export const cacheCollectMsMin = 200;
/**
 * If batches have needed less memory than expected, by more than cacheGarbageShare of the capacity, in so much of the window, larger
 * ones may use this share of the rest. They may be so many times as large.
 */
export const cacheLearnedCoverage = 0.5;
export const cacheLearnedShare = 0.75;
export const cacheLearnedMax = 1.5;
/** Longest time that the next decision waits for the memory of a smaller cache. */
export const cacheReleaseMsMax = 5_000;
