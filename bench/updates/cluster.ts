// Two memory nodes with the same rows, whose cluster is in NATS.
import { join } from 'node:path';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { NodeProcess } from '../../src/host/node-process.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { publishCluster } from '../../src/host/publish-cluster.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { freePorts } from '../../test/cluster/nats-server.ts';
import { writeVersion } from '../swap/tables.ts';

/** Starts two nodes with the same rows, which take updates. @returns their processes */
export async function startReplicas(
  stack: AsyncDisposableStack,
  folder: string,
  routing: string,
  rows: number,
): Promise<number[]> {
  const file = join(folder, 'tables.safetensors');
  await writeVersion(file, 0, rows);
  const tables = (await plannedTables(file, undefined)).map(
    (table) => ({ ...table, updates: true }) as const,
  );
  const ports = await freePorts(2);
  const nodes = ports.map((port, i) => ({ id: `n${i}`, url: `http://127.0.0.1:${port}` }));
  const plan = planSharding({ tables, nodes, split: 'row', replicas: 2 });
  const store = await openClusterSource(routing);
  await publishCluster(store, { routing: plan.routing, tables: file }, false);
  await store.close();
  const processes = nodes.map(({ id }, i) => {
    const given = ['--tables', file, '--plan', routing, '--node', id, '--port', String(ports[i])];
    return new NodeProcess(id, [...given, '--workers', '1']);
  });
  for (const process of processes) stack.defer(() => process.stop());
  await Promise.all(processes.map((process) => process.ready()));
  return processes.map(({ pid = 0 }) => pid);
}
