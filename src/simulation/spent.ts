import { PerformanceObserver } from 'node:perf_hooks';

/** What a process has spent so far, or in a part of its time. */
export interface Spent {
  /** Processor time, without the pauses. */
  readonly workMs: number;
  /** How often the garbage collector has stopped its thread, and for how long in all. */
  readonly pauses: number;
  readonly pausedMs: number;
}

export function spentSince(before: Spent, now: Spent): Spent {
  return {
    workMs: Math.max(0, now.workMs - before.workMs),
    pauses: now.pauses - before.pauses,
    pausedMs: now.pausedMs - before.pausedMs,
  };
}

/** What this process spends, while this exists. */
export class SpentHere implements Disposable {
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

  async now(): Promise<Spent> {
    // Pauses are told in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const { user, system } = process.cpuUsage();
    return {
      workMs: (user + system) / 1000 - this.#pausedMs,
      pauses: this.#pauses,
      pausedMs: this.#pausedMs,
    };
  }

  [Symbol.dispose](): void {
    this.#observer.disconnect();
  }
}
