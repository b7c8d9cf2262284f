// Draws lookups in MovieLens on memory nodes from a seed, and compares answers with those of another transport.
import { join } from 'node:path';
import {
  type LocalCluster,
  type LocalClusterOptions,
  openRanker,
  type Ranker,
  startLocalCluster,
} from '../../src/index.ts';
import { randomOf } from '../10.kernel/pool-case.ts';

export type PlainBags = Record<string, { readonly keys: number[]; readonly offsets: number[] }>;

const bagsOfLookup = 4;
const keysMax = 20;

export class Lookups implements AsyncDisposable {
  readonly cluster: LocalCluster;
  readonly #ranker: Ranker;

  static async start(more: Partial<LocalClusterOptions> = {}): Promise<Lookups> {
    const tables = join(import.meta.dirname, '../../examples/movielens/tables.safetensors');
    const cluster = await startLocalCluster({ tables, nodes: 2, ...more });
    return new Lookups(cluster, await openRanker({ routing: cluster.routing, transport: 'http' }));
  }

  private constructor(cluster: LocalCluster, ranker: Ranker) {
    this.cluster = cluster;
    this.#ranker = ranker;
  }

  /** Draws lookup `number`. */
  draw(number: number): PlainBags {
    const random = randomOf(number);
    const features = this.#ranker.specs.map(({ name, rows }) => {
      const lengths = Array.from({ length: bagsOfLookup }, () => Math.floor(random() * keysMax));
      const offsets = lengths.map((_, bag) => lengths.slice(0, bag).reduce((sum, length) => sum + length, 0));
      const count = lengths.reduce((sum, length) => sum + length, 0);
      const keys = Array.from({ length: count }, () => Math.floor(random() * rows));
      return [name, { keys, offsets }];
    });
    return Object.fromEntries(features);
  }

  /** @returns the problem of an answer in JSON, or undefined */
  async check(
    bags: PlainBags,
    answer: Record<string, { readonly values: number[] }>,
  ): Promise<string | undefined> {
    using expected = await this.#ranker.lookup(bags);
    for (const [name, { values }] of expected) {
      const got = Float32Array.from(answer[name]?.values ?? []);
      const same = got.length === values.length && values.every((value, i) => Object.is(value, got[i]));
      if (!same) return `${name} differs: ${JSON.stringify(answer).slice(0, 200)}`;
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ranker.close();
    await this.cluster.close();
  }
}
