// The limits of simulations. limits.ts has all others.

/** Simulations: seconds on their clock, rankers, lookups per second of all of them, and recorded requests that are used. */
export const simulatedSecondsMax = 3_600;
export const simulatedRankersMax = 1_024;
export const simulatedRateMax = 10_000_000;
export const simulatedRequestsMax = 10_000;
