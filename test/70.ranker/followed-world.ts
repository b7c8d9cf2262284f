// A ranker with a cache, memory nodes whose rows change, and a stream of updates, each of which moves on its own.
import type { Hosting } from '../../src/memory-node/hosting.ts';
import type { UpdateRecord } from '../../src/memory-node/update-record.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { ChainPosition } from '../../src/updates/batch.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { KeysListener, UpdatedKeys } from '../../src/updates/updated-keys.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { withUpdates } from '../50.memory-node/updated-hosting.ts';
import { Cluster } from '../cluster.ts';
import type { Module } from './cache-cases.ts';
import { shuffled } from './shuffled.ts';

export const rows = 60;
/** A row says in the place of its key, modulo dim, which batch has written it. */
const dim = 20;
const spec = { name: 'rows', rows, dim, mode: 'sum' } as const;
export const shardCount = 3;

interface Batch {
  readonly position: ChainPosition;
  readonly previous: bigint;
  readonly keys: readonly number[];
}

/** A shard: the batches that its chain has, how many of them its node has applied, and how many the ranker has heard. */
class Shard {
  readonly batches: Batch[] = [];
  applied = 0;
  heard = 0;
  readonly chain: string;
  readonly begin: number;

  constructor(chain: string, begin: number) {
    this.chain = chain;
    this.begin = begin;
  }

  /** The last of its first batches that has written a key; 0: none. */
  versionOf(key: number, batches: number): number {
    return this.batches.slice(0, batches).findLastIndex(({ keys }) => keys.includes(key)) + 1;
  }
}

const digest = (number: number): bigint => (number === 0 ? 0n : BigInt(number) * 7n + 1n);

export class FollowedWorld implements UpdatedKeys {
  readonly shards: readonly Shard[];
  readonly #cluster: Cluster;
  readonly #floats: readonly { readonly floats: Float32Array; readonly record: UpdateRecord }[];
  isClosed = false;
  #listener: KeysListener | undefined;

  static async start(): Promise<FollowedWorld> {
    const places = new Map<number, { floats: Float32Array; record: UpdateRecord }>();
    const cluster = await Cluster.start({
      ...{ tables: [{ spec, rows: new Float32Array(rows * dim) }], nodes: 2, ports: false, digests: true },
      split: (tables, nodes) =>
        tables.map((table) => ({
          ...table,
          updates: true as const,
          shards: Array.from({ length: shardCount }, (_, i) => {
            const cut = (at: number): number => (rows / shardCount) * at;
            return { node: nodes[i % nodes.length], begin: cut(i), end: cut(i + 1) };
          }),
        })),
      adapt(hosting: Hosting) {
        const updated = withUpdates(hosting, () => true);
        for (const { number, arena, rows: held } of hosting.shards) {
          const { buffer } = hosting.memories[arena];
          const record = updated.records.get(number) as UpdateRecord;
          places.set(number, {
            floats: new Float32Array(buffer, held.address, (rows / shardCount) * dim),
            record,
          });
        }
        return updated.hosting;
      },
    });
    return new FollowedWorld(cluster, places);
  }

  private constructor(
    cluster: Cluster,
    places: ReadonlyMap<number, { floats: Float32Array; record: UpdateRecord }>,
  ) {
    this.#cluster = cluster;
    this.shards = numberedShards(cluster.routing).map(
      (shard) => new Shard(chainName(shard), shard.shard.begin),
    );
    this.#floats = this.shards.map((_, i) => places.get(i) as never);
    for (const { record } of this.#floats) record.serve({ incarnation: 1, number: 0n });
  }

  /** @param late whether replies come in any order @param pinned a table */
  async ranker(module: Module, seed: number, late: boolean, pinned?: string): Promise<Ranker> {
    const loopback = this.#cluster.loopback();
    return await InlineRanker.open({
      routing: fixedRouting(this.#cluster.routing),
      transport: late ? shuffled(loopback, randomOf(seed)) : loopback,
      ...{
        module,
        cache: { size: '1MiB', admit: 'all', tables: pinned === undefined ? {} : { [pinned]: 'pinned' } },
        updatedKeys: async () => this,
      },
    });
  }

  listen(listener: KeysListener): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#listener = undefined;
  }

  /** The ranker begins to hear the stream anew. What it has not heard yet, it hears as ends of chains only. */
  begin(): void {
    this.#listener?.onBegin(1, false);
    for (const shard of this.shards) {
      shard.heard = shard.batches.length;
      const end = shard.batches.at(-1);
      if (end !== undefined) this.#tell(shard, end);
    }
    this.current();
  }

  current(): void {
    this.#listener?.onCurrent(performance.now());
  }

  write(shard: Shard, keys: readonly number[]): void {
    const number = shard.batches.length + 1;
    const position = { incarnation: 1, number: BigInt(number), digest: digest(number) };
    shard.batches.push({ position, previous: digest(number - 1), keys });
  }

  hear(shard: Shard): void {
    const batch = shard.batches[shard.heard];
    if (batch === undefined) return;
    shard.heard++;
    this.#tell(shard, batch);
  }

  #tell({ chain }: Shard, { position, previous, keys }: Batch): void {
    const given = { keys: BigUint64Array.from(keys, BigInt), deletes: new BigUint64Array(0) };
    this.#listener?.onBatch({ chain, position, previous, ...given });
  }

  apply(shard: Shard): void {
    const batch = shard.batches[shard.applied];
    if (batch === undefined) return;
    shard.applied++;
    const { floats, record } = this.#floats[this.shards.indexOf(shard)];
    for (const key of batch.keys) floats[(key - shard.begin) * dim + (key % dim)] = shard.applied;
    record.serve({ incarnation: 1, number: BigInt(shard.applied) });
  }

  shardOf(key: number): Shard {
    return this.shards[Math.floor(key / (rows / shardCount))];
  }

  /** Which batch had written the row of a key that a vector has. Other keys of its bag have other places. */
  static versionIn(vector: Float32Array, key: number): number {
    return vector[key % dim];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }
}
