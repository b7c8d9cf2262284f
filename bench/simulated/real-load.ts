// The load of a simulation, on a ranker of this process and memory nodes that really run.
import { Worker } from 'node:worker_threads';
import type { Ranker } from '../../src/index.ts';
import { Dice } from '../../src/simulation/dice.ts';
import { Lookups, type LookupsReport } from '../../src/simulation/lookups.ts';
import type { Load } from '../../src/simulation/ranker-thread.ts';
import type { Asked, Workload } from '../../src/simulation/workload.ts';

const warmUpMs = 500;

const clockMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export class RealLoad {
  readonly #ranker: Ranker;
  readonly #asked: readonly Asked[];
  #next = 0;

  constructor(ranker: Ranker, workload: Workload) {
    const dice = new Dice(7);
    this.#ranker = ranker;
    // Drawing lookups takes time that a simulation does not count.
    this.#asked = Array.from({ length: 2_000 }, () => workload(dice));
  }

  async run(load: Load, seconds: number): Promise<LookupsReport> {
    const lookups = new Lookups();
    const end = warmUpMs + seconds * 1000;
    if ('inFlight' in load) await this.#closed(lookups, load.inFlight, end);
    else await this.#open(lookups, load.perSecond, end);
    return lookups.report(seconds);
  }

  async #closed(lookups: Lookups, inFlight: number, end: number): Promise<void> {
    const begun = clockMs();
    const again = async (): Promise<void> => {
      for (let now = clockMs(); now - begun < end; now = clockMs())
        await this.#lookUp(now, now - begun < warmUpMs ? undefined : lookups);
    };
    await Promise.all(Array.from({ length: inFlight }, again));
  }

  async #open(lookups: Lookups, perSecond: number, end: number): Promise<void> {
    const dice = new Dice(11);
    const atMs: number[] = [];
    for (let at = dice.interval(1000 / perSecond); at < end; at += dice.interval(1000 / perSecond))
      atMs.push(at);
    const thread = new Worker(new URL('arrivals.ts', import.meta.url), {
      workerData: { atMs: Float64Array.from(atMs) },
    });
    const ended: Promise<void>[] = [];
    await new Promise<void>((resolve, reject) => {
      thread.on('error', reject);
      thread.on('message', (begun: bigint | undefined) => {
        if (begun === undefined) return resolve();
        const counted = atMs[ended.length] < warmUpMs ? undefined : lookups;
        ended.push(this.#lookUp(Number(begun) / 1e6, counted));
      });
    });
    await Promise.all(ended);
  }

  async #lookUp(begun: number, counted: Lookups | undefined): Promise<void> {
    const { bags } = this.#asked[this.#next++ % this.#asked.length];
    try {
      using _ = await this.#ranker.lookup(bags, { onFailure: 'partial' });
      counted?.answered(clockMs() - begun, false);
    } catch {
      counted?.failed();
    }
  }
}
