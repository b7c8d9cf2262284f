// Rows of a running cluster change by NATS, on every replica, while nodes come and go.
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
import { planSharding } from '../../src/plan/planner.ts';
import { writeTables } from '../tables-file.ts';
import { freePorts, NatsServer } from './nats-server.ts';

const [rows, dim] = [200, 8];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-updated-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('every replica applies what an updater writes, also one that was away', async () => {
  await using server = await NatsServer.start();
  const routing = server.at('updated');
  const tables = join(folder, 'tables.safetensors');
  const ids = BigUint64Array.from({ length: rows }, (_, i) => BigInt(i) * 7n);
  const data = new Float32Array(rows * dim).fill(1);
  await writeTables(tables, [
    { spec: { name: 'rows', rows, dim, mode: 'sum' }, rows: data },
    { spec: { name: 'ids', rows, dim, mode: 'sum' }, rows: data, ids },
  ]);
  const ports = await freePorts(2);
  const nodes = ports.map((port, i) => ({ id: `n${i}`, url: `http://127.0.0.1:${port}` }));
  const given = (await plannedTables(tables, undefined)).map(
    (table) => ({ ...table, updates: true }) as const,
  );
  const plan = planSharding({ tables: given, nodes, split: 'auto', replicas: 2 });
  const store = await openClusterSource(routing, {});
  await publishCluster(store, { routing: plan.routing }, false);
  const start = (i: number): Promise<MemoryNodeHost> =>
    MemoryNodeHost.start({
      ...{ tables, routing: store, node: `n${i}`, port: ports[i] },
      updates: { nats: routing },
    });
  const hosts = [await start(0), await start(1)];
  try {
    await using updater = await openUpdater({ routing });
    await using ranker = await openRanker({ routing: plan.routing });
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
    hosts[1] = await start(1);
    await hosts[0].close();
    expect(await read(missed)).toEqual(new Array(3 * dim).fill(77));
    hosts[0] = await start(0);
    expect(await read(await write(78, 'applied'))).toEqual(new Array(3 * dim).fill(78));
    const metrics = await hosts[0].metrics();
    expect(metrics).toMatch(/^flexemr_node_update_log_away 0$/m);
  } finally {
    await Promise.all(hosts.map((host) => host.close()));
    await store.close();
  }
});
