// The cache of a ranker follows the updates of a running cluster, by NATS.
import { expect, test } from 'vitest';
import { openRanker } from '../../src/host/open-ranker.ts';
import { openUpdater } from '../../src/host/open-updater.ts';
import { dim, UpdatedCluster } from './updated-cluster.ts';

test('bags whose rows were updated are new at once, others are still cached, also after its server was away', async () => {
  await using cluster = await UpdatedCluster.start(1);
  const { server, address: routing } = cluster;
  const node = await cluster.startNode(0);
  await using updater = await openUpdater({ routing });
  const errors: string[] = [];
  await using ranker = await openRanker({
    ...{ routing, cache: { size: '1MiB', admit: 'all' } },
    onRoutingError: ({ message }) => errors.push(message),
  });
  const write = (value: number): ReturnType<typeof updater.update> => {
    const fresh = new Float32Array(dim).fill(value);
    return updater.update(
      { rows: { keys: [5], rows: fresh }, ids: { keys: BigUint64Array.of(7n), rows: fresh } },
      { until: 'applied' },
    );
  };
  /** The first values of a bag of each table, and how many of the two the cache had. */
  const read = async (key: number): Promise<{ values: number[]; hits: number }> => {
    const before = ranker.stats.cache?.hits ?? 0;
    const found = await ranker.lookup({
      rows: { keys: [key, 100], offsets: [0] },
      ids: { keys: BigUint64Array.of(key === 5 ? 7n : 14n), offsets: [0] },
    });
    const values = ['rows', 'ids'].map((name) => found.get(name)?.values[0] ?? 0);
    return { values, hits: (ranker.stats.cache?.hits ?? 0) - before };
  };
  const settled = (key: number): Promise<void> =>
    expect.poll(async () => (await read(key)).hits, { interval: 20 }).toBe(2);
  await settled(5);
  await settled(9);
  expect(ranker.stats.cache?.following).toBe(1);
  for (let value = 2; value < 12; value++) {
    await write(value);
    await expect.poll(async () => (await read(5)).values, { interval: 5 }).toEqual([value + 1, value]);
    expect(await read(9)).toEqual({ values: [2, 1], hits: 2 });
    await settled(5);
  }
  expect(ranker.stats.cache?.stale).toBeGreaterThan(0);
  await server.kill();
  await expect.poll(async () => (await read(9)).hits).toBe(0);
  expect(ranker.stats.cache?.following).toBe(0);
  expect(await read(5)).toEqual({ values: [12, 11], hits: 0 });
  expect(errors.join()).toMatch(/the cache leaves out tables that take updates/);
  await server.start();
  await settled(9);
  await settled(5);
  await write(20);
  await expect.poll(async () => (await read(5)).values, { interval: 5 }).toEqual([21, 20]);
  await settled(5);
  expect((await read(9)).hits).toBe(2);
  expect(await node.metrics()).toMatch(/^flexemr_node_update_log_away 0$/m);
});
