// A change of owners that lowers the load of an overloaded engine: one connection moves, or two swap their engines.
import {
  balanceAgreeingWindows,
  balanceCertainty,
  balanceGainMin,
  balanceLastingWindows,
  balanceStepsMax,
  balanceSwapsMax,
} from '../engine-limits.ts';
import {
  type ConnectionLoad,
  isOverloaded,
  isPressed,
  type LoadHistory,
  type LoadWindow,
} from './load-history.ts';

export interface Step {
  readonly connection: number;
  readonly from: number;
  readonly to: number;
  /** The connection that takes its place, if they swap. */
  readonly back: number | undefined;
}

/** A step, and the mean time that it would have taken off the busier engine lately, as a share. */
export interface FoundStep extends Step {
  readonly gain: number;
}

/** Looks for the best step, in what is known at one time. */
export class StepSearch {
  readonly #windows: readonly LoadWindow[];
  /** Loads of engines with the owners of now, per window. */
  readonly #loads: readonly Float64Array[];
  /** Whether some engine was overloaded in a window. If not, nobody had to wait, and no step would have been a gain. */
  readonly #pressed: readonly boolean[];
  /** Connections of each engine, the busiest first. */
  readonly #owned: readonly (readonly number[])[];
  /** Mean shares of connections in the last windows, and the loads that they make. */
  readonly #recent: Float64Array;
  readonly #recentLoads: Float64Array;

  constructor(history: LoadHistory, connections: readonly ConnectionLoad[]) {
    this.#windows = history.windows;
    this.#loads = history.engineLoads(connections);
    this.#pressed = this.#windows.map(isPressed);
    const recent = meanOf(this.#windows.slice(0, balanceLastingWindows).map(({ shares }) => shares));
    this.#recent = recent;
    this.#recentLoads = meanOf(this.#loads.slice(0, balanceLastingWindows));
    const owned = Array.from(this.#recentLoads, (): number[] => []);
    for (const [c, { owner }] of connections.entries()) owned[owner].push(c);
    for (const connections of owned) connections.sort((a, b) => recent[b] - recent[a]);
    this.#owned = owned;
  }

  /** The best step of the most loaded engine that can be helped. @param free whether a connection may move now */
  best(free: (connection: number) => boolean): FoundStep | undefined {
    for (const from of this.#overloaded()) {
      const proven = this.#likely(from, free).flatMap((step) => {
        const gain = this.#provenGain(step);
        return gain === undefined ? [] : [{ ...step, gain }];
      });
      if (proven.length > 0) return proven.reduce((a, b) => (worth(b) > worth(a) ? b : a));
    }
    return undefined;
  }

  /** The mean gain of a step in so many of the last windows, or in all that are known. */
  meanGain(step: Step, most: number): number {
    const windows = Math.min(most, this.#windows.length);
    let total = 0;
    for (let i = 0; i < windows; i++) total += gainOf(this.#windows[i].shares, this.#loads[i], step);
    return total / windows;
  }

  /** Engines that are overloaded in each of the last windows, the one with most load first, then the longest queue. */
  #overloaded(): number[] {
    const last = this.#windows.slice(0, balanceAgreeingWindows);
    const loads = meanOf(this.#loads.slice(0, balanceAgreeingWindows));
    const queued = meanOf(last.map((window) => window.queued));
    return Array.from(loads, (_, engine) => engine)
      .filter((engine) => last.every((window) => isOverloaded(window, engine)))
      .sort((a, b) => loads[b] - loads[a] || queued[b] - queued[a]);
  }

  /** The steps that would have gained most in the last windows. Their number is bounded, because to prove a gain takes time. */
  #likely(from: number, free: (connection: number) => boolean): FoundStep[] {
    const steps: FoundStep[] = [];
    const consider = (step: Step): void => {
      const found = { ...step, gain: gainOf(this.#recent, this.#recentLoads, step) };
      if (worth(found) >= 0) steps.push(found);
    };
    const movable = this.#owned.map((connections) => connections.filter(free));
    for (const [to, others] of movable.entries()) {
      if (to === from) continue;
      for (const connection of movable[from]) consider({ connection, from, to, back: undefined });
      for (const connection of movable[from].slice(0, balanceSwapsMax))
        for (const back of others.slice(0, balanceSwapsMax)) consider({ connection, from, to, back });
    }
    return steps.sort((a, b) => worth(b) - worth(a)).slice(0, balanceStepsMax);
  }

  /**
   * Page's test for a change: gains above the least useful one are summed up, from the window that makes the sum largest until now.
   * What the sum must exceed grows with the variance of gains, so that steady noise does not pass, nor load that goes to and
   * fro.
   * @returns the mean gain since that window; undefined if the step may be useless
   */
  #provenGain(step: Step): number | undefined {
    const gains = this.#windows.map(({ shares }, i) =>
      this.#pressed[i] ? gainOf(shares, this.#loads[i], step) : 0,
    );
    if (gains.slice(0, balanceAgreeingWindows).some((gain) => gain <= 0)) return undefined;
    const least = leastGain(step);
    let [total, largest, mean] = [0, Number.NEGATIVE_INFINITY, 0];
    for (const [i, gain] of gains.entries()) {
      total += gain;
      const sum = total - (i + 1) * least;
      if (i + 1 < balanceLastingWindows || sum <= largest) continue;
      largest = sum;
      mean = total / (i + 1);
    }
    return largest > (balanceCertainty * varianceOf(gains)) / (2 * least) ? mean : undefined;
  }
}

/** What a step gains above the least that is useful. */
function worth(step: FoundStep): number {
  return step.gain - leastGain(step);
}

/** A swap is two moves. */
function leastGain({ back }: Step): number {
  return back === undefined ? balanceGainMin : 2 * balanceGainMin;
}

/** The variance between neighbouring windows. The largest change is left out, because it may be one that lasts. */
function varianceOf(gains: readonly number[]): number {
  let [sum, largest] = [0, 0];
  for (let i = 1; i < gains.length; i++) {
    const square = (gains[i] - gains[i - 1]) ** 2;
    sum += square;
    largest = Math.max(largest, square);
  }
  return (sum - largest) / (2 * (gains.length - 1));
}

/** How much less load the busier of the two engines has after a step. */
function gainOf(shares: Float64Array, loads: Float64Array, { connection, from, to, back }: Step): number {
  const moved = shares[connection] - (back === undefined ? 0 : shares[back]);
  return Math.max(loads[from], loads[to]) - Math.max(loads[from] - moved, loads[to] + moved);
}

function meanOf(vectors: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let i = 0; i < mean.length; i++) mean[i] += vector[i] / vectors.length;
  return mean;
}
