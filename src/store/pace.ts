import { besideLookupsRestMsMax, besideLookupsShare } from '../limits.ts';

/** Nobody ever changes it. */
const idle = new Int32Array(new SharedArrayBuffer(4));

/**
 * The thread sleeps after a piece of work beside lookups, so that it works for `besideLookupsShare` of the time. Else it would keep
 * its processor for the whole turn that the system gives it, some milliseconds, while a lookup waits for one. Pieces take a fraction
 * of a millisecond, or as long as a slow disk does. @param began when the piece began, as performance.now() gives it
 */
export function rest(began: number): void {
  const workedMs = performance.now() - began;
  Atomics.wait(idle, 0, 0, Math.min(workedMs * (1 / besideLookupsShare - 1), besideLookupsRestMsMax));
}
