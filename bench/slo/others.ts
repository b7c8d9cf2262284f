// How much of the machine other programs use. On a shared machine this decides whether a measurement counts.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuUsOf } from '../serving/cpu.ts';

/** The share of all processors that others may use beside a measurement. */
const othersMax = 0.1;
const lookMs = 500;

/** Waits for a quiet machine, and repeats what was disturbed, until it has no more patience. */
export class Patience {
  #leftMs: number;
  /** Measurements that were disturbed, and count nevertheless. */
  disturbed = 0;

  /** @param ms for all waits together */
  constructor(ms: number) {
    this.#leftMs = ms;
  }

  /** @param pids of the processes that belong to the measurement, besides this one */
  async undisturbed<T>(pids: readonly number[], measure: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.#calm(pids);
      const began = performance.now();
      const others = new Others(pids);
      const result = await measure();
      if (others.share <= othersMax) return result;
      this.#leftMs -= performance.now() - began;
      if (this.#leftMs > 0) continue;
      this.disturbed++;
      return result;
    }
  }

  async #calm(pids: readonly number[]): Promise<void> {
    while (this.#leftMs > 0) {
      const others = new Others(pids);
      await sleep(lookMs);
      if (others.share <= othersMax) return;
      this.#leftMs -= lookMs;
    }
  }
}

/** The work of other programs since it was made. */
class Others {
  readonly #own: readonly number[];
  readonly #began: number = performance.now();
  readonly #usedUs: number;

  constructor(pids: readonly number[]) {
    this.#own = [...pids, process.pid];
    this.#usedUs = this.#otherUs();
  }

  /** Of all processors. */
  get share(): number {
    const availableUs = (performance.now() - this.#began) * 1_000 * cpus().length;
    return (this.#otherUs() - this.#usedUs) / availableUs;
  }

  #otherUs(): number {
    return machineUs() - cpuUsOf(this.#own);
  }
}

/** µs that all processors have worked, or that other machines on the same hardware have taken. Ticks are 10 ms. */
function machineUs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .split(/ +/)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * 10_000;
}
