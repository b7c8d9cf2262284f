import { PerformanceObserver, performance } from 'node:perf_hooks';

/** What a process has counted so far. */
export interface Counts {
  /** Processor time. */
  readonly cpuMs: number;
  /** Time in which its thread did something, or waited for a processor to go on with it. */
  readonly activeMs: number;
  /** How often the garbage collector has stopped the thread, and for how much of that time. */
  readonly pauses: number;
  readonly pausedMs: number;
}

/** Processor time that was spent between two counts. */
export interface Spent {
  readonly workMs: number;
  readonly pauses: number;
  readonly pausedMs: number;
}

/** On a busy machine, pauses and work last longer by the same factor. So pauses took the same share of the processor time. */
export function spentBetween(before: Counts, after: Counts): Spent {
  const cpuMs = after.cpuMs - before.cpuMs;
  const activeMs = after.activeMs - before.activeMs;
  const share = activeMs > 0 ? Math.min(1, (after.pausedMs - before.pausedMs) / activeMs) : 0;
  return { workMs: cpuMs * (1 - share), pauses: after.pauses - before.pauses, pausedMs: cpuMs * share };
}

/** Counts what this process spends, while this exists. */
export class Spending implements Disposable {
  #pauses = 0;
  #pausedMs = 0;
  readonly #observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      this.#pauses++;
      this.#pausedMs += duration;
    }
  });

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  async counts(): Promise<Counts> {
    // Pauses are told in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const { user, system } = process.cpuUsage();
    return {
      cpuMs: (user + system) / 1000,
      activeMs: performance.eventLoopUtilization().active,
      pauses: this.#pauses,
      pausedMs: this.#pausedMs,
    };
  }

  [Symbol.dispose](): void {
    this.#observer.disconnect();
  }
}
