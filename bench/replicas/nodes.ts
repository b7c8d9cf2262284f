// Three nodes with small tables, in processes of their own.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { writeRouting } from '../../src/host/file-routing.ts';
import { NodeProcess } from '../../src/host/node-process.ts';
import { openTransport } from '../../src/host/open-transport.ts';
import type { KeyedBags } from '../../src/plan/bags.ts';
import { begin } from '../../src/plan/cluster.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { nextVersion } from '../../src/plan/next-release.ts';
import { planSharding } from '../../src/plan/planner.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { writeSafetensors } from '../../src/store/safetensors-writer.ts';

export const features = 26;
const rows = 20_000;
const dim = 16;
const ids = ['n0', 'n1', 'n2'] as const;

const names = Array.from({ length: features }, (_, i) => `t${i}`);
const specs = names.map((name) => ({ name, rows, dim, mode: 'sum' }) as const);

/** One key of each table. */
export const bags: KeyedBags = Object.fromEntries(
  names.map((name, i) => [name, { keys: Uint32Array.of((i * 997) % rows), lengths: Uint32Array.of(1) }]),
);

/** Nodes of a plan. */
export interface Started {
  readonly routing: RoutingTable;
  readonly pids: readonly number[];
}

function fileOf(folder: string): string {
  return join(folder, 'tables.safetensors');
}

export async function writeTables(folder: string): Promise<void> {
  const data = new Float32Array(rows * dim).fill(1);
  await writeSafetensors(
    fileOf(folder),
    names.map((name) => ({ name, dtype: 'F32', shape: [rows, dim], data })),
    { tables: JSON.stringify(specs.map((spec) => ({ ...spec, tensor: spec.name }))) },
  );
}

/** Starts the nodes of a plan whose shards are on so many nodes. */
export function started(stack: AsyncDisposableStack, folder: string, replicas: number): Promise<Started> {
  return start(stack, folder, join(folder, `plan${replicas}.json`), replicas);
}

async function start(
  stack: AsyncDisposableStack,
  folder: string,
  plan: string,
  replicas: number,
): Promise<Started> {
  const { routing } = planSharding({
    tables: specs.map((spec) => ({ spec })),
    nodes: ids.map((id) => ({ id })),
    split: 'table',
    replicas,
  });
  await writeRouting(plan, routing);
  const processes = ids.map((id) => {
    const given = ['--tables', fileOf(folder), '--plan', plan, '--node', id, '--headroom', '1'];
    return new NodeProcess(id, given);
  });
  for (const process of processes) stack.defer(() => process.stop());
  const ready = await Promise.all(processes.map((process) => process.ready()));
  return {
    pids: processes.map(({ pid = 0 }) => pid),
    routing: { ...routing, nodes: ids.map((id, i) => ({ id, url: ready[i].url })) },
  };
}

/** Starts nodes that serve a release, and have loaded the next one beside it. */
export async function startedWithNext(stack: AsyncDisposableStack, folder: string): Promise<Started> {
  const plan = join(folder, 'next.json');
  const nodes = await start(stack, folder, plan, 1);
  await writeRouting(plan, nodes.routing);
  const store = await openClusterSource(plan);
  const { cluster, revision } = await store.read();
  const next = nextVersion(
    cluster.serving,
    specs.map((spec) => ({ spec })),
    2,
    fileOf(folder),
  );
  await store.replace(begin(cluster, next), revision);
  const transport = await openTransport({ name: 'stream', security: {}, device: undefined });
  const wanted = planName(next.routing);
  for (const { url = '' } of nodes.routing.nodes) {
    const isReady = async (): Promise<boolean> => {
      const { releases = [] } = await transport.describe(url);
      return releases.some((release) => release.plan === wanted && release.state === 'ready');
    };
    while (!(await isReady())) await sleep(20);
  }
  await transport.close();
  await store.close();
  return nodes;
}
