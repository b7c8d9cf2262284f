import { startLocalCluster } from '../host/local-cluster.ts';
import { loopbackCluster } from '../host/loopback-cluster.ts';
import { type OpenRankerOptions, openRanker } from '../host/open-ranker.ts';
import type { ClusterOptions } from '../host/plan-cluster.ts';
import { openTables } from '../local/tables.ts';
import type { PushDown } from '../lookup/asked.ts';
import type { Split } from '../plan/planner.ts';
import type { RowDtype } from '../plan/table-spec.ts';
import type { TableSource } from '../store/table-file.ts';
import { type CacheFlags, cacheOf } from './cache-options.ts';
import type { OpenSource } from './lookup-source.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { LoadBar } from './progress.ts';
import { RemoteSource } from './remote-source.ts';
import { readSecurity, type SecurityOptions } from './security.ts';
import { type TableOptions, tableSource } from './table-source.ts';

/** How a command reaches memory nodes. `loopback`: the nodes are in this process. */
export const sourceTransports = ['loopback', 'http', 'stream', 'rdma'] as const;

/** The source of lookups: `tables` in this process, `tables` cut over `nodes`, or running nodes by `routing`. */
export interface SourceOptions extends SecurityOptions, NatsOptions, CacheFlags, Partial<TableOptions> {
  readonly dtype?: RowDtype | undefined;
  /** Threads that share each lookup in this process, or workers of each node that the command starts. */
  readonly threads?: number | undefined;
  readonly nodes?: number | undefined;
  readonly split?: Split | undefined;
  /** File or URL of a routing table, or nats://HOST:PORT/BUCKET. */
  readonly routing?: string | undefined;
  readonly transport?: (typeof sourceTransports)[number] | undefined;
  readonly rdmaDevice?: string | undefined;
  readonly gidIndex?: number | undefined;
  readonly pushDown?: PushDown | undefined;
  /** Threads that look up; 0: this one. */
  readonly engines?: number | undefined;
  /** Deadline of each lookup, in ms. */
  readonly deadline?: number | undefined;
  /** Called if the routing table has changed and cannot be used. */
  readonly onRoutingError?: ((error: Error) => void) | undefined;
}

/** Opens the source of lookups of a command. @throws as openTables, startLocalCluster, openRanker; INVALID_FILE */
export async function openSource(options: SourceOptions): Promise<OpenSource> {
  if (options.routing !== undefined) return await openRunning(options, options.routing);
  const { nodes } = options;
  const tables = await tableSource({ tables: '', ...options });
  if (nodes === undefined) return await openWithBar(tables, options);
  if (options.transport === 'loopback') return await openLoopback({ ...options, tables, nodes });
  return await openStarted({ ...options, tables, nodes });
}

/** Opens tables in this process, and shows a progress bar on a terminal. */
async function openWithBar(tables: TableSource, { dtype, threads }: SourceOptions): Promise<OpenSource> {
  const bar = new LoadBar();
  try {
    return await openTables(tables, { dtype, threads, onProgress: bar.update });
  } finally {
    bar.stop();
  }
}

async function openRunning(options: SourceOptions, routing: string): Promise<OpenSource> {
  const { pushDown, engines, deadline, onRoutingError } = options;
  const security = await readSecurity(options);
  const cache = cacheOf(options);
  const nats = await readNats(options);
  const opening = {
    ...{ routing, nats, security, pushDown, engines, onRoutingError },
    ...networkOf(options),
    ...cache,
  };
  return new RemoteSource(await openRanker(opening), deadline);
}

type ClusterSource = Omit<SourceOptions, 'tables'> & {
  readonly tables: TableSource;
  readonly nodes: number;
};

async function openLoopback({ pushDown, deadline, ...options }: ClusterSource): Promise<OpenSource> {
  const { routing, transport } = await loopbackCluster(clusterOf(options));
  const cache = cacheOf(options);
  return new RemoteSource(await openRanker({ routing, transport, pushDown, ...cache }), deadline);
}

async function openStarted({ threads, ...options }: ClusterSource): Promise<OpenSource> {
  const { pushDown, engines, deadline } = options;
  const cache = cacheOf(options);
  const network = networkOf(options);
  const rdma = network.transport === 'rdma' ? network.rdma : undefined;
  const cluster = await startLocalCluster({ ...clusterOf(options), workers: threads, rdma });
  try {
    const { routing } = cluster;
    const ranker = await openRanker({ routing, ...network, pushDown, engines, ...cache });
    return new RemoteSource(ranker, deadline, cluster);
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

function clusterOf({ tables, nodes, split, dtype }: ClusterSource): ClusterOptions {
  return { tables, nodes, split, dtype };
}

function networkOf({
  transport,
  rdmaDevice,
  gidIndex,
}: Pick<SourceOptions, 'transport' | 'rdmaDevice' | 'gidIndex'>): Pick<
  OpenRankerOptions,
  'transport' | 'rdma'
> {
  const rdma = { device: rdmaDevice, gidIndex };
  return { transport: transport === 'loopback' ? undefined : transport, rdma };
}
