// Limits of reply credits. limits.ts has the others.

/**
 * Bytes of replies that are under way to one ranker: what its option may say, and the defaults. Large replies leave a
 * share of them to small ones, so that these need not wait.
 */
export const replyBudgetBytesMin = 65_536;
export const replyBudgetBytesMax = 1_099_511_627_776;
export const replyBudgetBytesDefault = 67_108_864;
export const edgeReplyBudgetBytes = 16_777_216;
export const smallRepliesShare = 0.0625;

/**
 * Credits that a worker remembers for subrequests that have not arrived yet, because credits have a connection of their
 * own. So many can overtake one subrequest: those of a window before it, and those of a window after it.
 */
export const earlyCreditsMax = 128;

/** How often a credit connection is opened again while no reply arrives. Then its stream ends too. */
export const creditLossesMax = 3;

/**
 * The window of a session. Subrequests may wait for each other at their worker for `windowTargetMs`. If no reply of a round is
 * quicker, of `windowRepliesMin` or a whole window, the window shrinks, at most by a share of `windowDecreaseMax`. Far below the target it
 * grows by a factor and by one, near it by one.
 */
export const windowTargetMs = 5;
export const windowRepliesMin = 32;
export const windowDecreaseMax = 0.5;
export const windowIncrease = 1.5;

/** Before a window shrinks, the round trip of a lone subrequest is measured again, at most once in this time. */
export const windowProbeMsMin = 500;
export const windowProbeRoundTripsMin = 32;
