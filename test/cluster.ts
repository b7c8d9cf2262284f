// Starts memory nodes with the tables of a test, and opens rankers for them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryNodeHost } from '../src/host/memory-node-host.ts';
import { type OpenRankerOptions, openRanker } from '../src/host/open-ranker.ts';
import { plannedTables } from '../src/host/plan-cluster.ts';
import type { Tables } from '../src/index.ts';
import type { Hosting } from '../src/memory-node/hosting.ts';
import { planSharding, type Split } from '../src/plan/planner.ts';
import type { PlannedNode, PlannedTable, RoutingTable } from '../src/plan/routing-table.ts';
import type { Ranker } from '../src/ranker/ranker.ts';
import { Listener } from '../src/transport/listener.ts';
import { LoopbackTransport } from '../src/transport/loopback.ts';
import type { ServerSecurity } from '../src/transport/security.ts';
import type { DirectHandler } from '../src/wire/direct.ts';
import type { Handler } from '../src/wire/handler.ts';
import { DirectNode } from './direct-node.ts';
import { localHosting } from './local-node.ts';
import { type GivenTable, openLocally, writeTables } from './tables-file.ts';

export interface ClusterOptions {
  readonly tables: readonly GivenTable[];
  /** The number of nodes. Their ids are n0, n1, … */
  readonly nodes: number;
  /** A split of the planner, or a function of the test. By default, tables are whole. */
  readonly split?: Split | ((tables: readonly PlannedTable[], nodes: readonly string[]) => PlannedTable[]);
  /** Threads of each node. By default 0: all nodes are in this thread, where loopback can reach them too. */
  readonly workers?: number | undefined;
  readonly security?: ServerSecurity | undefined;
  /** Whether nodes in this thread listen. Default: true. Without ports, only loopback reaches them. */
  readonly ports?: boolean | undefined;
  /** Nodes in this thread only: the memory for frames and replies; `wrap` puts a handler in front of the node. */
  readonly slotBytes?: number | undefined;
  readonly wrap?: ((handler: DirectHandler, node: string) => Handler) | undefined;
  /** Nodes in this thread only: changes what a node serves. */
  readonly adapt?: ((hosting: Hosting, node: string) => Hosting) | undefined;
  /** Whether the plan has digests of the tables. Default: false. */
  readonly digests?: boolean | undefined;
  /** Whether nodes serve RDMA too. Then `wrap` must return a DirectHandler. */
  readonly rdma?: boolean | undefined;
}

/** A node in this thread or in its own threads. */
export interface ClusterNode {
  readonly url: string;
  /** Closes the node. One in this thread only closes its port. */
  close(): Promise<void>;
  /** Nodes in this thread only: opens the same port again. */
  reopen?(): Promise<void>;
  /** Nodes in this thread with RDMA only: deregisters the rows, so that rankers can no longer read them. */
  deregister?(): void;
}

/** Memory nodes that listen on ports of this machine, and their file. */
export class Cluster implements AsyncDisposable {
  /** The safetensors file of the tables. */
  readonly file: string;
  readonly routing: RoutingTable;
  readonly nodes: readonly ClusterNode[];
  /** The handlers of nodes in this thread, by URL. */
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly #folder: string;
  readonly #tables: readonly GivenTable[];

  static async start(options: ClusterOptions): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'flexemr-cluster-'));
    const file = join(folder, 'tables.safetensors');
    const started: ClusterNode[] = [];
    const handlers = new Map<string, Handler>();
    try {
      await writeTables(file, options.tables);
      const planned = options.digests ? await digested(plan(options), file) : plan(options);
      const starting = planned.nodes.map(({ id }) => startNode(file, planned, id, options, handlers));
      for (const node of await Promise.allSettled(starting))
        if (node.status === 'fulfilled') started.push(node.value);
      await Promise.all(starting);
      const nodes = planned.nodes.map((node, i) => ({ ...node, url: started[i].url }));
      return new Cluster(folder, file, { ...planned, nodes }, started, options.tables, handlers);
    } catch (error) {
      await end(folder, started);
      throw error;
    }
  }

  private constructor(
    folder: string,
    file: string,
    routing: RoutingTable,
    nodes: readonly ClusterNode[],
    tables: readonly GivenTable[],
    handlers: ReadonlyMap<string, Handler>,
  ) {
    this.#folder = folder;
    this.#tables = tables;
    this.file = file;
    this.routing = routing;
    this.nodes = nodes;
    this.handlers = handlers;
  }

  /** A transport that passes frames to nodes in this thread. @param handlers by URL */
  loopback(handlers: ReadonlyMap<string, Handler> = this.handlers): LoopbackTransport {
    return new LoopbackTransport(handlers);
  }

  /** Opens a ranker for all nodes. */
  async ranker(
    options: Omit<OpenRankerOptions, 'routing' | 'transport'> & {
      readonly routing?: OpenRankerOptions['routing'];
      readonly transport: OpenRankerOptions['transport'] | 'loopback';
    },
  ): Promise<Ranker> {
    const transport = options.transport === 'loopback' ? this.loopback() : options.transport;
    return await openRanker({ routing: this.routing, ...options, transport });
  }

  /** Deregisters the rows of all nodes in this thread. */
  deregister(): void {
    for (const node of this.nodes) node.deregister?.();
  }

  /** Opens the same tables in this process, for expected results. */
  async tables(): Promise<Tables> {
    return await openLocally(this.file, this.#tables);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#folder, this.nodes);
  }
}

function plan({ tables, nodes, split = 'table' }: ClusterOptions): RoutingTable {
  const named: PlannedNode[] = Array.from({ length: nodes }, (_, i) => ({ id: `n${i}` }));
  const given = tables.map(({ spec, ids }) => ({ spec, indexed: ids !== undefined }));
  if (typeof split === 'string') return planSharding({ tables: given, nodes: named, split }).routing;
  const uncut = given.map((table) => ({ ...table, version: 1, shards: [] }));
  return {
    nodes: named,
    tables: split(
      uncut,
      named.map(({ id }) => id),
    ),
  };
}

/** Adds the digests of the tables in a file. */
async function digested({ nodes, tables }: RoutingTable, file: string): Promise<RoutingTable> {
  const contents = new Map(
    (await plannedTables(file, undefined)).map(({ spec, content }) => [spec.name, content]),
  );
  return { nodes, tables: tables.map((table) => ({ ...table, content: contents.get(table.spec.name) })) };
}

async function startNode(
  tables: string,
  routing: RoutingTable,
  node: string,
  { workers = 0, security, slotBytes, wrap, adapt, ports = true, rdma = false }: ClusterOptions,
  handlers: Map<string, Handler>,
): Promise<ClusterNode> {
  if (workers > 0) {
    const device = rdma ? {} : undefined;
    return await MemoryNodeHost.start({ tables, routing, node, workers, security, rdma: device });
  }
  const { node: own, hosting } = await localHosting({ tables, routing, node, slotBytes, adapt });
  const handler = wrap?.(own, node) ?? own;
  if (!ports) {
    const url = `http://${node}.loopback`;
    handlers.set(url, handler);
    return { url, close: async () => void handlers.delete(url) };
  }
  const at = { host: '127.0.0.1', security };
  let listener = await Listener.open(handler, { ...at, port: 0 });
  const { port } = listener;
  const direct = async (): Promise<DirectNode | undefined> =>
    rdma ? await DirectNode.open(listener, handler as DirectHandler, hosting) : undefined;
  let directNode = await direct();
  const url = `${security?.cert === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  handlers.set(url, handler);
  return {
    url,
    async close() {
      handlers.delete(url);
      await listener.close();
      directNode?.close();
    },
    deregister: () => directNode?.deregister(),
    async reopen() {
      listener = await Listener.open(handler, { ...at, port });
      directNode = await direct();
      handlers.set(url, handler);
    },
  };
}

async function end(folder: string, nodes: readonly ClusterNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.close()));
  await rm(folder, { recursive: true, force: true });
}
