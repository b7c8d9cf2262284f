// The limits of engines, the threads that do the lookups of a ranker. limits.ts has all others.

/** Threads that do the lookups of a ranker, and connections that are shared out among them: a power of 2. */
export const enginesMax = 64;
export const engineConnectionsMax = 4_096;

/**
 * So many connections of all engines together are not shared out: each engine has one of its own to the first workers. It is faster,
 * because no subrequest and no reply goes to another thread.
 */
export const ownConnectionsMax = 256;

/** Bytes that an engine shares with all others, for frames and replies; and at least with each. */
export const peerBytesMax = 134_217_728;
export const peerBytesMin = 4_194_304;

/** Larger subrequests go over a connection of the engine that has the lookup: what part of the memory with their owner. */
export const partedBytesShare = 0.25;

/** Bytes that an application shares with each engine, for bags and for results. Larger lookups are sent as messages. */
export const engineRequestBytes = 16_777_216;
export const engineResultBytes = 67_108_864;

/** Results of at least so many bytes are used where the engine has left them. Smaller ones are copied, which is faster. */
export const sharedResultBytesMin = 32_768;

/** Records of a queue between two threads: a power of 2. More lookups at a time are sent as messages. */
export const ringRecords = 1_024;

/** Shapes of lookups (names of features and tables) that engines know by a number. */
export const shapesMax = 256;

/** Lookups whose views of shared memory an engine keeps for the next ones at the same addresses. */
export const bagsViewsMax = 256;

/**
 * How long an engine looks for work before it sleeps: the longest, if work has come so soon before, and the shortest. Waking a thread
 * takes 12 to 25 µs on each side. It sleeps at once if there are too few processors (host/open-engine.ts).
 */
export const engineSpinUsMax = 60;
export const engineSpinUsMin = 10;

/** An engine that looks for work and finds none was idle for so long at most. Between two looks there may be other work. */
export const engineLookUsMax = 5;

/** How long after its deadline a lookup waits for an engine to say why, before it ends without. */
export const engineGraceMs = 20;

/** How long an engine may take to start. */
export const engineStartMsMax = 30_000;

/** Time between two decisions about moving a connection to another engine. What happens in it is one observation. */
export const balanceWindowMs = 100;

/** Decisions use the observations of so many windows. */
export const balanceWindowsMax = 64;

/** An engine is overloaded if its thread is busy for this share of the time, or if so many subrequests wait for it. */
export const balanceBusyMin = 0.8;
export const balanceQueuedMin = 8;

/** A step must take this share of an engine's time off the busier of two engines. A smaller gain is not worth it. */
export const balanceGainMin = 0.02;

/** It must have been a gain for so many windows, and in each of the last ones. The last ones come after the step before. */
export const balanceLastingWindows = 4;
export const balanceAgreeingWindows = 2;

/**
 * How sure it must be that a gain is not noise. If load does not change, chance alone passes this test about once in
 * e ** 16 decisions.
 */
export const balanceCertainty = 16;

/** Connections of each engine that are considered for a swap, the busiest first; steps whose gain is tested in each window. */
export const balanceSwapsMax = 16;
export const balanceStepsMax = 64;

/** The pause after a step, in windows. A step that did not help doubles it, and one that helped halves it, within these bounds. */
export const balancePauseWindowsMin = 2;
export const balancePauseWindowsMax = 512;

/** A connection that has moved stays for so long. If it moves again soon, it stays twice as long, up to the most. */
export const balanceStayMsMin = 500;
export const balanceStayMsMax = 64_000;

/** A move that has not happened after this time is given up. */
export const balanceMoveMsMax = 5_000;
