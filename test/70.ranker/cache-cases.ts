// Histories of lookups with a cache, and what a cache does with tables that are pinned or off. The kernels may have faults.
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Bags, KeyedBags, TableMode } from '../../src/index.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { cacheBytesMin } from '../../src/limits.ts';
import type { CacheStats } from '../../src/lookup/cache-memory.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { RankerOptions } from '../../src/ranker/ranker-options.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { expectSame } from '../bits.ts';
import type { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';
import { shuffled } from './shuffled.ts';
import { Turnable } from './turnable.ts';

export const rows = 400;
const modes: readonly TableMode[] = ['sum', 'mean', 'sqrtn', 'max', 'none'];
export const tables: readonly GivenTable[] = [4, 100].flatMap((dim) =>
  modes.map((mode) => ({
    spec: { name: `${mode}${dim}`, rows, dim, mode, missing: 'skip', padding: 3 } as const,
    rows: Float32Array.from({ length: rows * dim }, (_, i) => Math.fround(Math.sin(i * 1000 + dim))),
  })),
);

const names = tables.map(({ spec }) => spec.name);

/** Bags of all tables. Most come again in other lookups, alone or beside new ones. */
export const histories = fc.record({
  seed: fc.nat(),
  /** How many different bags there are of each table, and how many of each a lookup has. */
  bags: fc.constantFrom(60, 3_000),
  lookups: fc.array(fc.integer({ min: 1, max: 40 }), {
    minLength: 8,
    maxLength: runs.cacheLookups,
    size: 'max',
  }),
  longest: fc.constantFrom(1, 3, 12),
  weighted: fc.constantFrom('never', 'sometimes'),
  pushDown: fc.constantFrom('always', 'never', 'auto'),
  /** How many lookups are in flight at a time. */
  together: fc.constantFrom(1, 4),
  /** What the cache does with some tables, and what it adds. */
  choices: fc.record({
    tables: fc.dictionary(fc.constantFrom(...names), fc.constantFrom('off', 'pinned'), { maxKeys: 4 }),
    admit: fc.constantFrom('second-miss', 'second-miss', 'all'),
  }),
  /** Before which lookups the cache gets another size, in steps of its least size; 0: none. */
  sizes: fc.array(fc.tuple(fc.nat({ max: runs.cacheLookups - 1 }), fc.integer({ min: 0, max: 6 })), {
    maxLength: Math.ceil(runs.cacheLookups / 6),
  }),
  /** Whether it becomes larger where it is. */
  grows: fc.boolean(),
});

const growing = {
  ...{ capacityBytes: 2 ** 30, floorBytes: cacheBytesMin, ceilingBytes: 6 * cacheBytesMin },
  ...{ windowMs: 1_000, candidateBytes: 1 },
};
export type History = typeof histories extends fc.Arbitrary<infer T> ? T : never;

/** More bags than the cache has room for, some of them often. */
export const busy: History = {
  ...{ seed: 1, bags: 3_000, lookups: new Array<number>(24).fill(40), longest: 1, weighted: 'never' },
  ...{ pushDown: 'auto', together: 1, sizes: [[18, 2]], grows: false },
  choices: { tables: { max100: 'pinned', mean4: 'off' }, admit: 'second-miss' },
};

function lookupsOf({ seed, bags, lookups, longest, weighted }: History): KeyedBags[] {
  const random = randomOf(seed);
  return lookups.map((count) => {
    const entries = tables.map(({ spec: { name, mode } }): [string, Bags] => {
      const drawn = Array.from({ length: count }, () => {
        // The bag is a function of its number, so the same number is the same bag in every lookup.
        const own = randomOf(1 + Math.floor(random() ** 2 * bags));
        // Few are too long for a cache.
        const length = own() < 0.002 ? 300 : Math.floor(own() * (longest + 1));
        return Array.from({ length }, () => ({ key: Math.floor(own() * (rows + 1)), weight: own() }));
      });
      const isWeighted = weighted === 'sometimes' && mode !== 'max' && mode !== 'none' && random() < 0.5;
      const keys = Uint32Array.from(drawn.flat(), ({ key }) => key);
      const weights = isWeighted ? Float32Array.from(drawn.flat(), ({ weight }) => weight) : undefined;
      return [name, { keys, lengths: drawn.map(({ length }) => length), weights }];
    });
    return Object.fromEntries(entries);
  });
}

export type Module = RankerOptions['module'];
const whole = kernelModule('ranker');

async function open(
  cluster: Cluster,
  options: Pick<RankerOptions, 'cache' | 'pushDown'> & Partial<RankerOptions>,
): Promise<Ranker> {
  const routing = fixedRouting(cluster.routing);
  return await InlineRanker.open({ routing, transport: cluster.loopback(), module: whole, ...options });
}

/** Runs the lookups of a history with and without a cache, and compares their bits. @returns what the cache did */
export async function runHistory(
  history: History,
  cluster: Cluster,
  module: Module = whole,
): Promise<CacheStats | undefined> {
  const { pushDown, together, sizes, choices } = history;
  const transport = shuffled(cluster.loopback(), randomOf(history.seed));
  const cache = { size: cacheBytesMin, ...choices };
  const adaptive = history.grows ? growing : undefined;
  await using ranker = await open(cluster, { transport, pushDown, cache, adaptive, module });
  await using plain = await open(cluster, { pushDown });
  const lookups = lookupsOf(history);
  const resizes: Promise<void>[] = [];
  for (let at = 0; at < lookups.length; at += together) {
    const group = lookups.slice(at, at + together);
    const found = group.map((bags) => ranker.lookup(bags));
    // A change of size, and the lookups before and after it, are in progress at the same time.
    for (const [before, size] of sizes) {
      if (before < at || before >= at + together) continue;
      const resized = ranker.resizeCache(size * cacheBytesMin);
      resizes.push(resized);
      // If a lookup fails, the ranker is closed.
      resized.catch(() => {});
    }
    found.push(...group.map((bags) => ranker.lookup(bags)));
    for (const [i, lookup] of (await Promise.all(found)).entries())
      expectSame(lookup, await plain.lookup(group[i % group.length]));
  }
  await Promise.all(resizes);
  const stats = ranker.stats.cache;
  if (stats === undefined) return undefined;
  const { bytes, usedBytes, pinnedBytes, hits, probed } = stats;
  expect(usedBytes).toBeLessThanOrEqual(bytes);
  expect(pinnedBytes).toBeLessThanOrEqual(Math.min(usedBytes, bytes / 2));
  expect(hits).toBeLessThanOrEqual(probed);
  return stats;
}

const all = Array.from({ length: rows - 4 }, (_, i) => i + 4);
const few = all.slice(0, 40);

/** Looks up bags of one key, and compares their bits. @returns what changes in the statistics of the cache */
async function lookUp(ranker: Ranker, plain: Ranker, table: string, keys: number[]): Promise<CacheStats> {
  return await lookUpBags(ranker, plain, { [table]: { keys, lengths: keys.map(() => 1) } });
}

async function lookUpBags(ranker: Ranker, plain: Ranker, bags: KeyedBags): Promise<CacheStats> {
  const before = ranker.stats.cache as CacheStats;
  expectSame(await ranker.lookup(bags), await plain.lookup(bags));
  const after = Object.entries(ranker.stats.cache as CacheStats);
  const change = after.map(([name, value]) => [name, value - before[name as keyof CacheStats]]);
  return Object.fromEntries(change);
}

/** Pinned tables: their first bags stay, and leave room for others. */
export async function runPins(cluster: Cluster, module: Module = whole): Promise<void> {
  const size = 2 * cacheBytesMin;
  const cache = { size, tables: { max100: 'pinned', mean100: 'off' } } as const;
  await using ranker = await open(cluster, { cache, module });
  await using plain = await open(cluster, {});
  const pinned = (keys: number[]): Promise<CacheStats> => lookUp(ranker, plain, 'max100', keys);
  const others = (): Promise<CacheStats> => lookUp(ranker, plain, 'sum100', all);
  for (let i = 0; i < 3; i++) await others();
  expect(await lookUp(ranker, plain, 'mean100', all)).toMatchObject({ probed: 0, rejected: 0, filled: 0 });
  // They are added at once, although there is no room, and bags of other tables are not.
  expect((await lookUp(ranker, plain, 'sqrtn100', few)).rejected).toBeGreaterThan(few.length - 5);
  const { hits, filled, pinnedBytes } = await pinned(few);
  expect([hits, filled]).toEqual([0, few.length]);
  expect(pinnedBytes).toBeGreaterThan(few.length * 400);
  for (let i = 0; i < 8; i++) await others();
  await ranker.resizeCache(cacheBytesMin);
  expect(ranker.stats.cache?.pinnedBytes).toBe(pinnedBytes);
  expect(await pinned(few)).toMatchObject({ hits: few.length, filled: 0 });
  await ranker.resizeCache(size);
  expect(await pinned(few)).toMatchObject({ hits: few.length, filled: 0 });
  for (let i = 0; i < 3; i++) await pinned(all);
  const most = ranker.stats.cache?.pinnedBytes ?? 0;
  expect(most).toBeGreaterThan(0.4 * size);
  expect(most).toBeLessThanOrEqual(0.5 * size);
  expect(await pinned(few)).toMatchObject({ hits: few.length });
  // Others still come and go.
  let evicted = 0;
  for (let i = 0; i < 4; i++) evicted += (await others()).evicted;
  expect(evicted).toBeGreaterThan(0);
  expect((await others()).hits).toBeGreaterThan(0);
  expect(ranker.stats.cache?.pinnedBytes).toBe(most);
}

/** Entries of a pinned table that has changed make room. Every bag is admitted. */
export async function runUnpinned(cluster: Cluster, module: Module = whole): Promise<void> {
  const source = new Turnable(cluster.routing);
  const cache = { size: cacheBytesMin, tables: { max100: 'pinned' }, admit: 'all' } as const;
  await using ranker = await open(cluster, { routing: source, cache, module });
  await using plain = await open(cluster, {});
  // Only bags that come once.
  let next = 0;
  const others = (): Promise<CacheStats> => {
    const keys = Array.from({ length: 200 }, () => [next % rows, Math.floor(next++ / rows)]);
    const bags = { keys: keys.flat(), lengths: keys.map(() => 2) };
    return lookUpBags(ranker, plain, { sum100: bags });
  };
  expect((await others()).rejected).toBe(0);
  await lookUp(ranker, plain, 'max100', few);
  const { filled, rejected } = await others();
  expect(rejected).toBe(0);
  // Where many pinned entries follow each other, they are moved 16 at a time, and few bags are not added.
  expect(filled).toBeGreaterThan(195);
  expect(filled).toBeLessThan(200);
  expect((await others()).kept).toBeGreaterThan(0);
  expect(await lookUp(ranker, plain, 'max100', few)).toMatchObject({ hits: few.length });
  // The plan has no digests, so that all tables count as changed.
  source.turn(cluster.routing);
  expect(ranker.stats.cache?.pinnedBytes).toBe(0);
  for (let i = 0; i < 5; i++) await others();
  expect((await others()).kept).toBe(0);
  expect(await lookUp(ranker, plain, 'max100', few)).toMatchObject({ hits: 0, filled: few.length });
  expect(ranker.stats.cache?.pinnedBytes).toBeGreaterThan(few.length * 400);
  source.turn(cluster.routing);
  expect(ranker.stats.cache?.pinnedBytes).toBe(0);
}

/** A cache that grows where it is: nothing is lost, and what it has more room for is found too. */
export async function runGrowth(cluster: Cluster, module: Module = whole): Promise<void> {
  const adaptive = { ...growing, ceilingBytes: 40 * cacheBytesMin };
  await using ranker = await open(cluster, { adaptive, module });
  await using plain = await open(cluster, {});
  const keys = Array.from({ length: rows - 4 }, (_, i) => i + 4);
  const every = async (): Promise<CacheStats> => await lookUp(ranker, plain, 'sum100', keys);
  // From the second time on, what has no room takes the place of others.
  for (let i = 0; i < 3; i++) await every();
  expect(ranker.stats.cache?.entries).toBeLessThan(keys.length);
  for (const times of [2, 3, 40]) {
    const { entries } = ranker.stats.cache as CacheStats;
    await ranker.resizeCache(times * cacheBytesMin);
    const { cache, cacheReleasedBytes } = ranker.stats;
    expect({ ...cache, cacheReleasedBytes }).toMatchObject({
      ...{ bytes: times * cacheBytesMin, entries, cacheReleasedBytes: 0 },
    });
    expect(cache?.usedBytes).toBeLessThanOrEqual(cache?.touchedBytes ?? 0);
    expect(cache?.touchedBytes).toBeLessThanOrEqual(cache?.bytes ?? 0);
    expect((await every()).hits).toBe(entries);
  }
  for (let i = 0; i < 3; i++) await every();
  expect(await every()).toMatchObject({ hits: keys.length, entries: 0, filled: 0, evicted: 0 });
}

/** Everything that kernels with a fault in their cache are tested with. */
export async function assertCaches(cluster: Cluster, module: Module): Promise<void> {
  await runPins(cluster, module);
  await runUnpinned(cluster, module);
  await runGrowth(cluster, module);
  const property = fc.asyncProperty(
    histories,
    async (history) => void (await runHistory(history, cluster, module)),
  );
  await fc.assert(property, { numRuns: 8, seed: 1, endOnFailure: true, examples: [[busy]] });
}
