/** Returns the next u32 of a sequence that is the same in every run. */
export type Random = () => number;

/** Mulberry32. */
export function random(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** An integer from 0 to `bound` − 1. */
export function below(next: Random, bound: number): number {
  return Math.floor((next() / 2 ** 32) * bound);
}
