// The limits of the threads that do the lookups of a ranker (src/engine).

/** Threads that do the lookups of a ranker, and connections that are shared out among them: a power of 2. */
export const enginesMax = 64;
export const engineConnectionsMax = 4_096;

/** Bytes that an engine shares with all others, for frames and replies; and at least with each. */
export const peerBytesMax = 134_217_728;
export const peerBytesMin = 4_194_304;

/** Larger subrequests go over a connection of the engine that has the lookup: what part of the memory with their owner. */
export const partedBytesShare = 0.25;

/** Bytes that an application shares with each engine, for bags and for results. Larger lookups are sent as messages. */
export const engineRequestBytes = 16_777_216;
export const engineResultBytes = 67_108_864;

/** Records of a queue between two threads: a power of 2. More lookups at a time are sent as messages. */
export const ringRecords = 1_024;

/** Shapes of lookups (names of features and tables) that engines know by a number. */
export const shapesMax = 256;

/** How long an engine looks for work after the last, before it sleeps. Waking a thread takes as long. */
export const engineSpinUs = 20;

/** How long after its deadline a lookup waits for an engine to say why, before it ends without. */
export const engineGraceMs = 20;

/** How long an engine may take to start. */
export const engineStartMsMax = 30_000;
