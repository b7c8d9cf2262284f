// Lookups give the same bits in one process and over any number of nodes, by any transport, pushed down or fetched.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster, type ClusterOptions } from '../cluster.ts';
import { golden, type Known, movielens } from './known.ts';

const pushDowns = ['always', 'never', 'auto'] as const;

let known: Known;
/** The results of one process for each lookup. */
let wanted: readonly object[][];

beforeAll(async () => {
  const all = [await golden(), await movielens()];
  known = {
    tables: all.flatMap(({ tables }) => tables),
    lookups: all.flatMap(({ lookups }) => lookups),
  };
  await using alone = await Cluster.start({ tables: known.tables, nodes: 1, ports: false });
  await using tables = await alone.tables();
  wanted = await Promise.all(known.lookups.map(async (bags) => bits(await tables.lookup(bags))));
});

test('all cases from PyTorch and the example are tested', () => {
  expect(known.lookups.length).toBe(276);
  expect(known.tables.length).toBe(272 + 3 * 26 + 13);
});

async function lookUpAll(ranker: Ranker): Promise<object[][]> {
  const lookups = known.lookups.map((bags) => ranker.lookup(bags, { deadline: 60_000 }));
  return (await Promise.all(lookups)).map((lookup) => bits(lookup));
}

function expectAll(got: readonly object[][], than: readonly object[][]): void {
  expect(got.length).toBe(than.length);
  for (const [i, lookup] of got.entries()) expectBits(lookup, than[i]);
}

const hosts: [string, Pick<ClusterOptions, 'nodes' | 'workers'>, readonly Way[]][] = [
  ...[1, 2, 3, 4, 7].map((nodes): (typeof hosts)[number] => [
    `${nodes} nodes in this thread`,
    { nodes },
    ['loopback', 'http', 'stream', 'fetch'],
  ]),
  ['2 nodes of 3 threads', { nodes: 2, workers: 3 }, ['http', 'stream', 'fetch']],
  ['7 nodes of one thread', { nodes: 7, workers: 1 }, ['http', 'stream', 'fetch']],
];
type Way = 'loopback' | 'http' | 'stream' | 'fetch';

describe.for(hosts)('whole tables on %s', ([, options, ways]) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ ...options, tables: known.tables });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const all = ways.flatMap((transport) => pushDowns.map((pushDown) => [transport, pushDown] as const));
  test.for(all)('%s, pushed down: %s', async ([transport, pushDown]) => {
    await using ranker = await cluster.ranker({ transport, pushDown, cache: '8MiB' });
    expectAll(await lookUpAll(ranker), wanted);
    const { segmentsPushed, segmentsFetched } = ranker.stats;
    if (transport === 'stream') {
      // Now most bags come from the cache.
      expectAll(await lookUpAll(ranker), wanted);
      expect(ranker.stats.cache?.hits).toBeGreaterThan(1_000);
    }
    // Empty lookups are pushed down, because they have nothing to fetch.
    if (pushDown === 'never') expect(segmentsFetched).toBeGreaterThan(10 * segmentsPushed);
    if (pushDown === 'always') expect(segmentsFetched).toBe(0);
    if (pushDown === 'auto') expect(Math.min(segmentsPushed, segmentsFetched)).toBeGreaterThan(20);
  });
});

describe('tables cut by rows', () => {
  test.for([2, 5])('give the same bits by every transport: %i nodes', async (nodes) => {
    await using cluster = await Cluster.start({ nodes, split: 'row', tables: known.tables });
    await using first = await cluster.ranker({ transport: 'loopback', pushDown: 'always' });
    const there = await lookUpAll(first);
    for (const transport of ['loopback', 'http', 'stream', 'fetch'] as const) {
      for (const pushDown of pushDowns) {
        await using ranker = await cluster.ranker({ transport, pushDown, cache: '8MiB' });
        expectAll(await lookUpAll(ranker), there);
        if (pushDown === 'auto') expectAll(await lookUpAll(ranker), there);
      }
    }
    // Counts and padding do not depend on the cuts of tables.
    const without = (lookups: readonly object[][]): object[] =>
      lookups.flat().map((feature) => ({ ...feature, values: undefined }));
    expect(without(there)).toEqual(without(wanted));
  });
});
