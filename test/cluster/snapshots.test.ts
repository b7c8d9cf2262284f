// A stream in NATS forgets its first batches: nodes begin with a snapshot, which the commands make while others serve.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { openUpdater } from '../../src/host/open-updater.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { publishCluster } from '../../src/host/publish-cluster.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { done } from '../80.cli/command.ts';
import { refused } from '../refusal.ts';
import { writeTables } from '../tables-file.ts';
import { freePorts, NatsServer } from './nats-server.ts';

const [rows, dim] = [200, 8];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-snapshots-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a node begins with the snapshot that the cluster names, after the stream has forgotten its beginning', async () => {
  await using server = await NatsServer.start();
  const routing = server.at('kept');
  const [tables, now, changed] = ['tables', 'now', 'changed'].map((name) => join(folder, name));
  const ids = BigUint64Array.from({ length: rows }, (_, i) => BigInt(i) * 7n);
  const data = new Float32Array(rows * dim).fill(1);
  await writeTables(tables, [
    { spec: { name: 'rows', rows, dim, mode: 'sum' }, rows: data },
    { spec: { name: 'ids', rows, dim, mode: 'sum' }, rows: data, ids },
  ]);
  const [port] = await freePorts(1);
  const given = (await plannedTables(tables, undefined)).map((table) => ({
    ...table,
    updates: true as const,
  }));
  const nodes = [{ id: 'n0', url: `http://127.0.0.1:${port}` }];
  const plan = planSharding({ tables: given, nodes, split: 'table' });
  const store = await openClusterSource(routing, {});
  await publishCluster(store, { routing: plan.routing }, false);
  const start = (): Promise<MemoryNodeHost> =>
    MemoryNodeHost.start({ tables, routing: store, node: 'n0', port, updates: { nats: routing } });
  let host = await start();
  try {
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
    const { cluster } = await store.read();
    expect(cluster.serving.tables).toBe(now);
    expect(planName(cluster.serving.routing)).toBe(planName(plan.routing));
    const mark = await write(6, 6);
    expect(done('dump', ...place, '--since', '3', '--out', changed)).toMatchObject({ rows: 4, deletes: 2 });
    await using file = await SafetensorsFile.open(changed);
    expect(await file.read('keys_00', 'U64')).toEqual(BigUint64Array.of(5n, 6n));
    expect(await file.read('deletes_01', 'U64')).toEqual(BigUint64Array.of(35n, 42n));
    // To write the same again changes no row.
    expect(done('update', ...place, '--rows', changed)).toMatchObject({ rows: 4, deletes: 2 });
    await host.close();
    const base = { tables, routing: plan.routing, node: 'n0', updates: { nats: routing } };
    expect(await refused(() => MemoryNodeHost.start(base))).toMatchObject({
      code: 'CONFLICT',
      field: 'updates',
    });
    host = await start();
    await using ranker = await openRanker({ routing: plan.routing });
    const places = [1, 2, 5, 6];
    const fresh = BigUint64Array.of(...[2n, 5n, 6n].map((key) => 10n ** 12n + key), 7n);
    const found = await ranker.lookup(
      { rows: { keys: places, offsets: [0, 1, 2, 3] }, ids: { keys: fresh, offsets: [0, 1, 2, 3] } },
      { atLeast: mark },
    );
    const firsts = (name: string): unknown[] => [0, 1, 2, 3].map((bag) => found.get(name)?.values[bag * dim]);
    expect(firsts('rows')).toEqual([1, 2, 5, 6]);
    expect(firsts('ids')).toEqual([2, 5, 6, 1]);
  } finally {
    await host.close();
    await store.close();
  }
});
