// A lookup that is too large for one subrequest is sent as several, if it can be divided.
import { describe, expect, test } from 'vitest';
import type { Bags, KeyedBags } from '../../src/index.ts';
import { subrequestKeysMax } from '../../src/limits.ts';
import { refused } from '../60.transport/rig.ts';
import { expectSame } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import type { GivenTable } from '../tables-file.ts';

const rows = 400;
const modes = ['sum', 'mean', 'max', 'none', 'sqrtn'] as const;
const tables: readonly GivenTable[] = Array.from({ length: 20 }, (_, i) => ({
  spec: { name: `t${i}`, rows, dim: 8, mode: modes[i % modes.length] },
  rows: Float32Array.from({ length: rows * 8 }, (_, j) => Math.fround(Math.sin(i + j))),
}));

/** `bags` bags of every table, each with `keys` keys. */
function bagsOf(keys: number, bags: number): KeyedBags {
  const of = (i: number): Bags => {
    return {
      keys: Uint32Array.from({ length: keys }, (_, j) => (j * 7 + i) % rows),
      offsets: Uint32Array.from({ length: bags }, (_, bag) => Math.floor((keys * bag) / bags)),
    };
  };
  return Object.fromEntries(tables.map(({ spec }, i) => [spec.name, of(i)]));
}

describe.for(['loopback', 'stream', 'http', 'fetch'] as const)('over %s', (transport) => {
  test.for([
    ['whose subrequests do not fit', 900, 2],
    ['whose replies do not fit', 300, 250],
  ] as const)('features %s together', async ([, keys, bags]) => {
    await using cluster = await Cluster.start({ tables, nodes: 2, slotBytes: 2 ** 17 });
    await using local = await cluster.tables();
    for (const pushDown of ['always', 'never'] as const) {
      await using ranker = await cluster.ranker({ transport, pushDown });
      expectSame(await ranker.lookup(bagsOf(keys, bags)), await local.lookup(bagsOf(keys, bags)));
      expect(ranker.stats.subrequests).toBeGreaterThan(2);
      expect(ranker.stats.lookups).toBe(1);
    }
  });
});

test('a feature that does not fit into a subrequest is refused before anything is sent', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 2, slotBytes: 2 ** 17, ports: false });
  const [{ shards }] = cluster.routing.tables;
  await using ranker = await cluster.ranker({ transport: 'loopback', pushDown: 'always' });
  const many = new Uint32Array(10_000);
  const long: KeyedBags = { t1: { keys: [1], lengths: [1] }, t0: { keys: many, lengths: [10_000] } };
  // No two bags are equal, so all of them have to be sent.
  const pairs = Uint32Array.from({ length: 4_000 }, (_, i) => (i % 2 ? i >> 1 : (i >> 1) / rows) % rows);
  const wide: KeyedBags = { t0: { keys: pairs, lengths: new Uint32Array(2_000).fill(2) } };
  for (const bags of [long, wide]) {
    const error = await refused(ranker.lookup(bags));
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', node: shards[0].node, shard: 0 });
    expect(error.message).toMatch(/table t0 .* split the batch/);
  }
  expect(ranker.stats.bytesOut).toBe(0);
  // All keys are the same row, so a fetch of that row fits.
  await using fetching = await cluster.ranker({ transport: 'loopback' });
  await using local = await cluster.tables();
  expectSame(await fetching.lookup(long), await local.lookup(long));
});

test('the maximum number of keys of a subrequest', async () => {
  const [first, second] = tables;
  await using cluster = await Cluster.start({ tables: [first, second], nodes: 1, ports: false });
  await using local = await cluster.tables();
  await using ranker = await cluster.ranker({ transport: 'loopback', pushDown: 'always' });
  // Each feature fits. Both together have too many keys, but not too many bytes.
  const keys = new Uint32Array(0.6 * subrequestKeysMax);
  const both = { t0: { keys, offsets: [0, 5] }, t1: { keys, offsets: [0] } };
  expectSame(await ranker.lookup(both), await local.lookup(both));
  expect(ranker.stats.subrequests).toBe(2);
  const most = { t0: { keys: new Uint32Array(subrequestKeysMax), offsets: [0] } };
  expectSame(await ranker.lookup(most), await local.lookup(most));
  const more = { t0: { keys: new Uint32Array(subrequestKeysMax + 1), offsets: [0] } };
  const error = await refused(ranker.lookup(more));
  expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', node: 'n0', shard: 0, value: subrequestKeysMax + 1 });
});
