// A ranker's cache changes no bit of any result, whatever it holds, forgets and adds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CacheOptions, KeyedBags, Ranker } from '../../src/index.ts';
import { cacheBytesMax, cacheBytesMin } from '../../src/limits.ts';
import { cacheBytes } from '../../src/ranker/cache-size.ts';
import { refused } from '../60.transport/rig.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { busy, histories, rows, runGrowth, runHistory, runPins, runUnpinned, tables } from './cache-cases.ts';

test.for(['table', 'row'] as const)(
  'by %s, lookups have the bits that they have without it',
  async (split) => {
    await using cluster = await Cluster.start({ tables, nodes: 3, split, ports: false });
    const seen = { hits: 0, filled: 0, evicted: 0, kept: 0, rejected: 0, pinnedBytes: 0 };
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const cache = await runHistory(history, cluster);
        for (const name of Object.keys(seen) as (keyof typeof seen)[]) seen[name] += cache?.[name] ?? 0;
      }),
      { numRuns: runs.cacheHistories, examples: [[busy]] },
    );
    console.log(seen);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  },
);

test('pinned bags stay, and leave room for others', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 2, ports: false });
  await runPins(cluster);
});

test('if a pinned table changes, its entries make room', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  await runUnpinned(cluster);
});

const first: KeyedBags = {
  sum4: { keys: [1, 8, 1], lengths: [2, 1] },
  max4: { keys: [1], lengths: [1] },
};

test('nothing is lost when it grows, and what it has more room for is found too', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 2, ports: false });
  await runGrowth(cluster);
});

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

test('wrong options are refused, and tables that there are not', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  const open = (cache: unknown): Promise<Ranker> =>
    cluster.ranker({ transport: 'loopback', cache: cache as CacheOptions });
  const wrong: [unknown, string, RegExp][] = [
    ['1', 'cache', /off, bytes such as 256MiB/],
    [{ size: '1' }, 'cache.size', /off, bytes such as 256MiB/],
    [{ size: 'off', admit: 'some' }, 'cache.admit', /one of second-miss, all/],
    [{ size: 'off', tables: { sum4: 'on' } }, 'cache.tables', /off or pinned for each table/],
    [{ size: 'off', pin: [] }, 'cache.pin', /no field with this name/],
    [
      { size: 'off', tables: { sum4: 'off', t: 'pinned' } },
      'cache.tables.t',
      /no table with this name \(known tables: sum4, mean4, sqrtn4, max4, none4\)/,
    ],
  ];
  for (const [cache, field, message] of wrong) {
    const error = await refused(open(cache));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', field });
    expect(error.message).toMatch(message);
  }
});
