// A stream in NATS forgets its first batches: nodes begin with a snapshot, which the commands make while others serve.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { openUpdater } from '../../src/host/open-updater.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { done } from '../80.cli/command.ts';
import { refused } from '../refusal.ts';
import { dim, rows, UpdatedCluster } from './updated-cluster.ts';

test('a node begins with the snapshot that the cluster names, after the stream has forgotten its beginning', async () => {
  await using cluster = await UpdatedCluster.start(1);
  const { address: routing, folder, tables, plan, store } = cluster;
  const [now, changed] = ['now', 'changed'].map((name) => join(folder, name));
  let host = await cluster.startNode(0);
  await using updater = await openUpdater({ routing });
  const write = (value: number, key: number): ReturnType<typeof updater.update> => {
    const fresh = new Float32Array(dim).fill(value);
    return updater.update({
      rows: { keys: [key], rows: fresh },
      ids: { keys: BigUint64Array.of(10n ** 12n + BigInt(key)), rows: fresh, deletes: [7 * key] },
    });
  };
  for (let i = 2; i < 6; i++) await write(i, i);
  const place = ['--routing', routing];
  expect(done('snapshot', ...place, '--tables', tables, '--out', now, '--use', '--forget')).toMatchObject({
    ...{ tables: 2, rows: 2 * rows, batches: '8', used: now },
  });
  const { serving } = (await store.read()).cluster;
  expect(serving.tables).toBe(now);
  expect(planName(serving.routing)).toBe(planName(plan));
  const mark = await write(6, 6);
  expect(done('dump', ...place, '--since', '3', '--out', changed)).toMatchObject({ rows: 4, deletes: 2 });
  await using file = await SafetensorsFile.open(changed);
  expect(await file.read('keys_00', 'U64')).toEqual(BigUint64Array.of(5n, 6n));
  expect(await file.read('deletes_01', 'U64')).toEqual(BigUint64Array.of(35n, 42n));
  // To write the same again changes no row.
  expect(done('update', ...place, '--rows', changed)).toMatchObject({ rows: 4, deletes: 2 });
  await host.close();
  const base = { tables, routing: plan, node: 'n0', updates: { nats: routing } };
  expect(await refused(() => MemoryNodeHost.start(base))).toMatchObject({
    code: 'CONFLICT',
    field: 'updates',
  });
  host = await cluster.startNode(0);
  await using ranker = await openRanker({ routing: plan });
  const places = [1, 2, 5, 6];
  const fresh = BigUint64Array.of(...[2n, 5n, 6n].map((key) => 10n ** 12n + key), 7n);
  const found = await ranker.lookup(
    { rows: { keys: places, offsets: [0, 1, 2, 3] }, ids: { keys: fresh, offsets: [0, 1, 2, 3] } },
    { atLeast: mark },
  );
  const firsts = (name: string): unknown[] => [0, 1, 2, 3].map((bag) => found.get(name)?.values[bag * dim]);
  expect(firsts('rows')).toEqual([1, 2, 5, 6]);
  expect(firsts('ids')).toEqual([2, 5, 6, 1]);
});
