// Lookups whose load is skewed over memory nodes by Zipf's law, and how many end when.
import type { KeyedBags } from '../../src/index.ts';
import type { SkewedRanker } from './skewed-ranker.ts';

export const dim = 128;
export const rowsPerNode = 4_096;

/** What all elements of a row are. */
export function elementOf(row: number): number {
  return row + 1;
}

/** Bags of a lookup, over all nodes. */
const bagsPerLookup = 256;
const lookupsAtOnce = 64;
/** Different lookups. */
const differentLookups = 8;
export const sliceMs = 100;

/** Lookups that ask each node for as many vectors as its share of the load says. */
export interface Shape {
  readonly lookups: readonly KeyedBags[];
  /** Vectors that each node sends. */
  readonly vectors: readonly number[];
}

/** @param demands of nodes; their sum is 1 */
export function shapeOf(demands: ArrayLike<number>, random: () => number): Shape {
  const vectors = Array.from(demands, (demand) => Math.max(1, Math.round(demand * bagsPerLookup)));
  const bagsOf = (count: number, node: number) => {
    const keys = Uint32Array.from({ length: count }, () => Math.floor(random() * rowsPerNode));
    return [`t${node}`, { keys, lengths: new Uint32Array(count).fill(1) }] as const;
  };
  const lookups = Array.from({ length: differentLookups }, () => Object.fromEntries(vectors.map(bagsOf)));
  return { lookups, vectors };
}

/** Lookups without a pause, 64 at a time. */
export class SkewedLoad {
  readonly #ranker: SkewedRanker;
  #lookups: readonly KeyedBags[] = [];
  #next = 0;
  #ended = 0;
  #stopped = false;
  readonly #lanes: Promise<void>[] = [];

  constructor(ranker: SkewedRanker) {
    this.#ranker = ranker;
  }

  /** Lookups that begin from now on have another shape. */
  shift({ lookups }: Shape): void {
    this.#lookups = lookups;
    while (this.#lanes.length < lookupsAtOnce) this.#lanes.push(this.#lane());
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      const bags = this.#lookups[this.#next++ % this.#lookups.length];
      using found = await this.#ranker.lookup(bags);
      for (const [name, { values }] of found) {
        const { keys } = bags[name];
        const last = Number(keys[keys.length - 1]);
        if (values.length !== keys.length * dim || values[values.length - 1] !== elementOf(last))
          throw new Error(`the vectors of ${name} are wrong`);
      }
      this.#ended++;
    }
  }

  /** @returns lookups that ended in each slice of time, per second @throws the first error of a lookup */
  async watch(seconds: number): Promise<number[]> {
    const rates: number[] = [];
    let [ended, since] = [this.#ended, performance.now()];
    const begun = since;
    for (let slice = 1; slice <= (seconds * 1000) / sliceMs; slice++) {
      const left = Math.max(0, begun + slice * sliceMs - performance.now());
      await Promise.race([new Promise((done) => setTimeout(done, left)), Promise.all(this.#lanes)]);
      const now = performance.now();
      rates.push(((this.#ended - ended) * 1000) / (now - since));
      [ended, since] = [this.#ended, now];
    }
    return rates;
  }

  /** @throws the first error of a lookup */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }
}
