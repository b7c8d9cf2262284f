// The limits of engines, the I/O threads of a ranker. limits.ts has all others.

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
