// A ranker's cache changes no bit of any result, whatever it holds, forgets and adds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bags, KeyedBags, TableMode } from '../../src/index.ts';
import { cacheBytesMax, cacheBytesMin } from '../../src/limits.ts';
import { cacheBytes } from '../../src/ranker/cache-size.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { refused } from '../60.transport/rig.ts';
import { bits, expectSame } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';
import { shuffled } from './shuffled.ts';

const rows = 400;
const modes: readonly TableMode[] = ['sum', 'mean', 'sqrtn', 'max', 'none'];
const tables: readonly GivenTable[] = [4, 100].flatMap((dim) =>
  modes.map((mode) => ({
    spec: { name: `${mode}${dim}`, rows, dim, mode, missing: 'skip', padding: 3 } as const,
    rows: Float32Array.from({ length: rows * dim }, (_, i) => Math.fround(Math.sin(i * 1000 + dim))),
  })),
);

/** Bags of all tables. Most come again in other lookups, alone or beside new ones. */
const histories = fc.record({
  seed: fc.nat(),
  /** How many different bags there are of each table, and how many of each a lookup has. */
  bags: fc.constantFrom(60, 3_000),
  lookups: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 8, maxLength: 24, size: 'max' }),
  longest: fc.constantFrom(1, 3, 12),
  weighted: fc.constantFrom('never', 'sometimes'),
  pushDown: fc.constantFrom('always', 'never', 'auto'),
  /** How many lookups are in flight at a time. */
  together: fc.constantFrom(1, 4),
  /** Before which lookups the cache gets another size, in steps of its least size; 0: none. */
  sizes: fc.array(fc.tuple(fc.nat({ max: 23 }), fc.integer({ min: 0, max: 6 })), { maxLength: 4 }),
});
type History = typeof histories extends fc.Arbitrary<infer T> ? T : never;

/** More bags than the cache has room for, some of them often. */
const busy: History = {
  ...{ seed: 1, bags: 3_000, lookups: new Array<number>(24).fill(40), longest: 1, weighted: 'never' },
  ...{ pushDown: 'auto', together: 1, sizes: [[18, 2]] },
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

test.for(['table', 'row'] as const)(
  'by %s, lookups have the bits that they have without it',
  async (split) => {
    await using cluster = await Cluster.start({ tables, nodes: 3, split, ports: false });
    const seen = { hits: 0, filled: 0, evicted: 0, kept: 0, rejected: 0, resized: 0 };
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const { pushDown, together, sizes } = history;
        const transport = shuffled(cluster.loopback(), randomOf(history.seed));
        await using ranker = await cluster.ranker({ transport, pushDown, cache: cacheBytesMin });
        await using plain = await cluster.ranker({ transport: 'loopback', pushDown });
        const lookups = lookupsOf(history);
        const resizes: Promise<void>[] = [];
        for (let at = 0; at < lookups.length; at += together) {
          const group = lookups.slice(at, at + together);
          const found = group.map((bags) => ranker.lookup(bags));
          // A change of size, and the lookups before and after it, are in progress at the same time.
          for (const [before, size] of sizes)
            if (before >= at && before < at + together)
              resizes.push(ranker.resizeCache(size * cacheBytesMin));
          found.push(...group.map((bags) => ranker.lookup(bags)));
          for (const [i, lookup] of found.entries())
            expectSame(await lookup, await plain.lookup(group[i % group.length]));
        }
        await Promise.all(resizes);
        seen.resized += resizes.length;
        const { cache } = ranker.stats;
        if (cache === undefined) return;
        for (const name of ['hits', 'filled', 'evicted', 'kept', 'rejected'] as const)
          seen[name] += cache[name];
        expect(cache.usedBytes).toBeLessThanOrEqual(cache.bytes);
        expect(cache.hits).toBeLessThanOrEqual(cache.probed);
      }),
      { numRuns: runs.cacheHistories, examples: [[busy]] },
    );
    console.log(seen);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  },
);

const first: KeyedBags = {
  sum4: { keys: [1, 8, 1], lengths: [2, 1] },
  max4: { keys: [1], lengths: [1] },
};

test('bags are not sent again, but if the caller forbids it', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 2, ports: false });
  await using ranker = await cluster.ranker({ transport: 'loopback', cache: '1MiB' });
  const wanted = bits(await ranker.lookup(first));
  const { subrequests, bytesOut } = ranker.stats;
  expect(bits(await ranker.lookup(first))).toEqual(wanted);
  expect(ranker.stats).toMatchObject({
    subrequests,
    bytesOut,
    lookups: 2,
    cache: { probed: 6, hits: 3, filled: 3 },
  });
  await using none = await cluster.ranker({ transport: 'loopback', cache: 'off' });
  expect(none.stats.cache).toBeUndefined();
});

test('what is cached needs no node, and what is not is incomplete without its node', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1 });
  await using ranker = await cluster.ranker({ transport: 'stream', cache: '1MiB' });
  const wanted = bits(await ranker.lookup(first));
  await cluster.nodes[0].close();
  expect(bits(await ranker.lookup(first))).toEqual(wanted);
  const both: KeyedBags = {
    sum4: { keys: [1, 8, 5, 1], lengths: [2, 1, 1] },
    max4: { keys: [1, 6], lengths: [1, 1] },
  };
  const got = await ranker.lookup(both, { onFailure: 'partial', deadline: 300 });
  expect([...(got.get('sum4')?.incomplete ?? [])]).toEqual([1]);
  expect([...(got.get('max4')?.incomplete ?? [])]).toEqual([1]);
  expect([...(got.get('sum4')?.counts ?? [])]).toEqual([2, 0, 1]);
  expect([...(got.get('sum4')?.values.subarray(4, 8) ?? [])]).toEqual([0, 0, 0, 0]);
  expect(await refused(ranker.lookup(both, { deadline: 300 }))).toMatchObject({ node: 'n0' });
});

test('a smaller cache keeps what was used, a larger one keeps everything, none forgets', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  await using ranker = await cluster.ranker({ transport: 'loopback', cache: '2MiB' });
  const hits = async (keys: number[]): Promise<number> => {
    const before = ranker.stats.cache?.hits ?? 0;
    await ranker.lookup({ sum100: { keys, lengths: keys.map(() => 1) } });
    return (ranker.stats.cache?.hits ?? 0) - before;
  };
  const all = Array.from({ length: rows - 4 }, (_, i) => i + 4);
  const used = all.filter((key) => key % 7 === 0);
  expect(await hits(all)).toBe(0);
  expect(await hits(used)).toBe(used.length);
  await ranker.resizeCache('8MiB');
  expect(ranker.stats.cache).toMatchObject({ bytes: 8 * 2 ** 20, entries: all.length, hits: used.length });
  await ranker.resizeCache(cacheBytesMin);
  expect(await hits(used)).toBe(used.length);
  const { entries = 0, usedBytes = 0, bytes = 0 } = ranker.stats.cache ?? {};
  expect(entries).toBeLessThan(all.length);
  expect(entries).toBeGreaterThan(used.length);
  expect(usedBytes).toBeGreaterThan(0.8 * bytes);
  await ranker.resizeCache('off');
  expect(ranker.stats.cache).toBeUndefined();
  await ranker.resizeCache('1MiB');
  expect(await hits(used)).toBe(0);
  expect(await hits(used)).toBe(used.length);
  expect(await refused(ranker.resizeCache('7'))).toMatchObject({ code: 'INVALID_OPTION', field: 'cache' });
  await ranker.close();
  expect(await refused(ranker.resizeCache('2MiB'))).toMatchObject({ code: 'RELEASED' });
});

test('its size is bytes, or a share of the rows', () => {
  const specs = tables.map(({ spec }) => spec);
  const all = 5 * rows * 4 * (4 + 100);
  expect(cacheBytes('off', specs)).toBe(0);
  expect(cacheBytes(0, specs)).toBe(0);
  expect(cacheBytes(100_000, specs)).toBe(100_000);
  expect(cacheBytes('1.5MiB', specs)).toBe(1.5 * 2 ** 20);
  expect(cacheBytes('50%', specs)).toBe(all / 2);
  expect(cacheBytes('1%', specs)).toBe(cacheBytesMin);
  expect(cacheBytes('100%', [{ name: 't', rows: 2 ** 31, dim: 64, mode: 'sum' }])).toBe(cacheBytesMax);
  for (const size of ['10', '0%', '101%', '1KiB', '5GiB', 'all', '-1MiB', 1, 1e12, 1e6 + 0.5, Number.NaN])
    expect(() => cacheBytes(size, specs)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', field: 'cache' }),
    );
});
