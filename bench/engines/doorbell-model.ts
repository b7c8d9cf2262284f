// A model of threads that share doorbells, for more threads than this machine has processors: a closed queueing network.
// Each engine works outside any lock for `outsideNs`, then rings one of the doorbells, all of which are as likely. A
// doorbell serves one engine at a time. Times are exponential in the model, so it has an exact solution (Buzen 1973),
// also though a doorbell with more engines waiting takes longer. With one doorbell and no such growth, it is the machine
// repairman's.

/** Times of one post. The first three are measured, the others are fitted to the rates of two threads. */
export interface PostTimes {
  /** Outside the lock of the doorbell. */
  readonly outsideNs: number;
  /** Taking it, writing to the register, and giving it back, while no other thread uses the doorbell. */
  readonly heldNs: number;
  /** The part of `heldNs` that a doorbell without a lock does not take. */
  readonly lockNs: number;
  /** Longer if another thread used the doorbell last, because its cache lines come from there. */
  readonly movedNs: number;
  /** Longer for each thread that spins on the lock meanwhile. */
  readonly spinningNs: number;
}

/** How the time of a hand-over grows with the threads that spin: with each, or only with the first. */
export type Spinning = 'each' | 'first';

export interface Predicted {
  /** Posts per second of all engines. */
  readonly rate: number;
  /** The part of the posts that find their doorbell taken. */
  readonly contended: number;
}

/** Coefficients of a product of two networks with up to `a.length - 1` engines each. */
function convolved(a: readonly number[], b: readonly number[]): number[] {
  return a.map((_, n) => {
    let sum = 0;
    for (let k = 0; k <= n; k++) sum += a[k] * b[n - k];
    return sum;
  });
}

/** Engines that share doorbells. */
export function predictShared(
  times: PostTimes,
  engines: number,
  doorbells: number,
  spinning: Spinning = 'each',
): Predicted {
  const { outsideNs, heldNs, movedNs, spinningNs } = times;
  // All threads use a doorbell equally often, so another one used it last for all but one of `engines` times.
  const alone = heldNs + (movedNs * (engines - 1)) / engines;
  const served = (present: number): number =>
    alone + spinningNs * (spinning === 'each' ? present - 1 : Math.min(present - 1, 1));
  const outside = [1];
  const doorbell = [1];
  for (let n = 1; n <= engines; n++) {
    outside.push((outside[n - 1] * outsideNs) / n);
    doorbell.push((doorbell[n - 1] * served(n)) / doorbells);
  }
  let others = outside;
  for (let i = 1; i < doorbells; i++) others = convolved(others, doorbell);
  const all = convolved(others, doorbell);
  // An engine that arrives finds what there would be without it.
  return {
    rate: (all[engines - 1] / all[engines]) * 1e9,
    contended: 1 - others[engines - 1] / all[engines - 1],
  };
}

/** Engines with a doorbell each: nobody waits. The card itself has no limit here. */
export function predictOwn({ outsideNs, heldNs, lockNs }: PostTimes, engines: number): number {
  return (engines * 1e9) / (outsideNs + heldNs - lockNs);
}

/** How much faster engines are that have a doorbell each. */
export function predictRatio(
  times: PostTimes,
  engines: number,
  doorbells: number,
  spinning?: Spinning,
): number {
  return predictOwn(times, engines) / predictShared(times, engines, doorbells, spinning).rate;
}

/** A measured ratio. */
export interface RatioPoint {
  readonly engines: number;
  readonly doorbells: number;
  readonly ratio: number;
}

const fitLimitNs = 400;

/** Finds the times that cannot be measured alone: those with the least square error of the ratios, in whole ns. */
export function fitted(
  measured: Omit<PostTimes, 'movedNs' | 'spinningNs'>,
  points: readonly RatioPoint[],
): PostTimes {
  let best: PostTimes = { ...measured, movedNs: 0, spinningNs: 0 };
  let least = Number.POSITIVE_INFINITY;
  for (let movedNs = 0; movedNs <= fitLimitNs; movedNs++)
    for (let spinningNs = 0; spinningNs <= fitLimitNs; spinningNs++) {
      const times = { ...measured, movedNs, spinningNs };
      let error = 0;
      for (const { engines, doorbells, ratio } of points)
        error += Math.log(predictRatio(times, engines, doorbells) / ratio) ** 2;
      if (error < least) [best, least] = [times, error];
    }
  return best;
}
