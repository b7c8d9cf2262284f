import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { checkFields, integer, options as optionsOf } from '../check.ts';
import { workersMax } from '../limits.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { TableSource } from '../store/table-file.ts';
import { allowedOrigin } from '../transport/cross-origin.ts';
import { type DeviceChoice, deviceChoice } from '../transport/rdma/device-choice.ts';
import { writeRouting } from './file-routing.ts';
import { NodeProcess, type Ready } from './node-process.ts';
import { type ClusterOptions, clusterFields, planCluster } from './plan-cluster.ts';

export interface LocalClusterOptions extends ClusterOptions {
  /** Worker threads of each node; default 1. */
  readonly workers?: number | undefined;
  /** Pages of this origin may send requests (CORS). `*`: pages of all origins. */
  readonly allowOrigin?: string | undefined;
  /** Serves by RDMA too. */
  readonly rdma?: DeviceChoice | undefined;
}

const localClusterOptions = optionsOf({
  ...clusterFields,
  workers: v.optional(integer(1, workersMax)),
  allowOrigin: v.optional(allowedOrigin),
  rdma: v.optional(deviceChoice),
});

/** Memory nodes on this machine, each in its own process. They end when this process ends, even if it crashes. */
export class LocalCluster implements AsyncDisposable {
  /** The routing table, with the address of every node. */
  readonly routing: RoutingTable;
  /** The message of each node when it was ready. */
  readonly nodes: readonly Ready[];
  /** Process ids of the nodes. */
  readonly pids: readonly number[];
  readonly #processes: readonly NodeProcess[];

  constructor(planned: RoutingTable, nodes: readonly Ready[], processes: readonly NodeProcess[]) {
    this.routing = { ...planned, nodes: planned.nodes.map((node, i) => ({ ...node, url: nodes[i].url })) };
    this.nodes = nodes;
    this.pids = processes.map(({ pid }) => pid ?? 0);
    this.#processes = processes;
  }

  /** Ends every node after it has answered the subrequests that it holds. */
  async close(): Promise<void> {
    await stopAll(this.#processes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Plans the tables of a file, and starts a memory node for each part on a free port of 127.0.0.1.
 * @throws INVALID_OPTION; as planCluster; NODE_FAILED if a node does not start, after all other nodes have ended
 */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  checkFields(localClusterOptions, options);
  const { routing } = await planCluster(options);
  const dir = await mkdtemp(join(tmpdir(), 'flexemr-cluster-'));
  const processes: NodeProcess[] = [];
  try {
    const plan = join(dir, 'plan.json');
    await writeRouting(plan, routing);
    const args = [...(await tableArguments(options.tables, dir)), ...argumentsOf(options)];
    for (const { id } of routing.nodes)
      processes.push(new NodeProcess(id, ['--plan', plan, '--node', id, ...args]));
    const ready = await Promise.all(processes.map((process) => process.ready()));
    return new LocalCluster(routing, ready, processes);
  } catch (error) {
    await stopAll(processes);
    throw error;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The options for the tables. A separate list and a token are written to files in `dir`, which only we may read. */
async function tableArguments(tables: TableSource, dir: string): Promise<string[]> {
  if (typeof tables === 'string') return ['--tables', tables];
  const { file, list, token } = tables;
  const args = ['--tables', file];
  if (list !== undefined)
    args.push('--table-list', await written(join(dir, 'tables.json'), JSON.stringify(list)));
  if (token !== undefined) args.push('--tables-token-file', await written(join(dir, 'token'), token));
  return args;
}

/** Writes a new file. @returns its path */
async function written(path: string, text: string): Promise<string> {
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

function argumentsOf({ workers, allowOrigin, rdma }: LocalClusterOptions): string[] {
  const given = {
    workers,
    'allow-origin': allowOrigin,
    transport: rdma && 'rdma',
    'rdma-device': rdma?.device,
    'gid-index': rdma?.gidIndex,
  };
  return Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
}

async function stopAll(processes: readonly NodeProcess[]): Promise<void> {
  await Promise.all(processes.map((process) => process.stop()));
}
