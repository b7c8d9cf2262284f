import type { Bags, KeyedBags, Lookup, Pooled, TableSpec, VectorSource } from '../../src/index.ts';
import type { IoRedis } from '../peers.ts';
import { poolRows } from '../serving/plain-pooling.ts';
import { redisKey } from '../serving/redis-rows.ts';
import type { FeatureBags, TableShape } from '../serving/workload.ts';

/** Keys of one MGET. Longer ones take more time per key. */
const keysAtOnce = 4_096;

/** Pooled vectors of rows in Redis. */
export class RedisSource implements VectorSource {
  readonly specs: readonly TableSpec[];
  readonly #redis: IoRedis;
  readonly #tables: readonly TableShape[];

  constructor(redis: IoRedis, tables: readonly TableShape[]) {
    this.#redis = redis;
    this.#tables = tables;
    this.specs = tables.map(({ name, rows, dim, mode }) => ({ name, rows, dim, mode }));
  }

  async lookup(bags: KeyedBags): Promise<Lookup> {
    const features = this.#tables.map((table) => featureOf(table, bags[table.name]));
    const keys = features.flatMap(({ keys: own }, table) => Array.from(own, (row) => redisKey(table, row)));
    const parts: Promise<(Buffer | null)[]>[] = [];
    for (let at = 0; at < keys.length; at += keysAtOnce)
      parts.push(this.#redis.mgetBuffer(keys.slice(at, at + keysAtOnce)));
    const rows = (await Promise.all(parts)).flat();
    const vectors = poolRows({ features }, rows);
    return lookupOf(features.map(({ table }, i) => [table.name, { dim: table.dim, values: vectors[i] }]));
  }
}

/** The scorer gives bags of Uint32Arrays, because that is what it gets. */
function featureOf(table: TableShape, { keys, offsets, weights }: Bags): FeatureBags {
  return {
    table,
    keys: keys as Uint32Array,
    offsets: offsets as Uint32Array,
    weights: weights as Float32Array | undefined,
  };
}

/** As much of a Lookup as a scorer needs. */
function lookupOf(features: [string, Pick<Pooled, 'dim' | 'values'>][]): Lookup {
  const lookup = new Map(features) as Map<string, Pooled>;
  return Object.assign(lookup, { failures: [], updates: new Map(), [Symbol.dispose]() {} });
}
