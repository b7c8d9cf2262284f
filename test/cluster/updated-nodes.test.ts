// Rows of a running cluster change by NATS, on every replica, while nodes come and go.
import { expect, test } from 'vitest';
import { openRanker } from '../../src/host/open-ranker.ts';
import { openUpdater } from '../../src/host/open-updater.ts';
import { dim, UpdatedCluster } from './updated-cluster.ts';

test('every replica applies what an updater writes, also one that was away', async () => {
  await using cluster = await UpdatedCluster.start(2);
  const hosts = [await cluster.startNode(0), await cluster.startNode(1)];
  await using updater = await openUpdater({ routing: cluster.address });
  await using ranker = await openRanker({ routing: cluster.plan });
  const write = (value: number, until: 'applied' | 'written'): ReturnType<typeof updater.update> => {
    const fresh = new Float32Array(dim).fill(value);
    const both = new Float32Array(2 * dim).fill(value);
    return updater.update(
      {
        rows: { keys: BigUint64Array.of(5n), rows: fresh },
        // One id is new.
        ids: { keys: BigUint64Array.of(7n, 10n ** 12n), rows: both },
      },
      { until },
    );
  };
  const read = async (atLeast: Awaited<ReturnType<typeof write>>): Promise<number[]> => {
    const bags = {
      rows: { keys: [5], offsets: [0] },
      ids: { keys: BigUint64Array.of(7n, 10n ** 12n), offsets: [0, 1] },
    };
    const found = await ranker.lookup(bags, { atLeast });
    return ['rows', 'ids'].flatMap((name) => [...(found.get(name)?.values ?? [])]);
  };
  for (let value = 2; value < 6; value++)
    expect(await read(await write(value, 'applied'))).toEqual(new Array(3 * dim).fill(value));
  await hosts[1].close();
  const missed = await write(77, 'written');
  expect(await read(missed)).toEqual(new Array(3 * dim).fill(77));
  // It is ready when it has what it has missed.
  hosts[1] = await cluster.startNode(1);
  await hosts[0].close();
  expect(await read(missed)).toEqual(new Array(3 * dim).fill(77));
  hosts[0] = await cluster.startNode(0);
  expect(await read(await write(78, 'applied'))).toEqual(new Array(3 * dim).fill(78));
  const metrics = await hosts[0].metrics();
  expect(metrics).toMatch(/^flexemr_node_update_log_away 0$/m);
});
