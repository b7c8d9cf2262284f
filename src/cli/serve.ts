import { openClusterSource } from '../host/cluster-source.ts';
import { MemoryNodeHost } from '../host/memory-node-host.ts';
import type { Ready } from '../host/node-process.ts';
import { packageVersion } from '../kernel/files.ts';
import type { Log } from '../log.ts';
import { isNatsAddress } from '../nats/address.ts';
import type { NodeLease } from '../plan/cluster-leases.ts';
import type { ClusterSource, ClusterStore } from '../plan/cluster-store.ts';
import { predictionOf } from '../plan/prediction.ts';
import type { DeviceChoice } from '../transport/rdma/device-choice.ts';
import { mib } from './columns.ts';
import { type LogLevel, logOf } from './log.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { LoadBar } from './progress.ts';
import { readSecurity, type SecurityOptions } from './security.ts';
import { StopRequest } from './stop-request.ts';
import { type TableOptions, tableSource } from './table-source.ts';

export interface ServeOptions extends SecurityOptions, NatsOptions, TableOptions {
  /** The cluster: a file that `flexemr plan` wrote, or nats://HOST:PORT/BUCKET. The node follows it. */
  readonly plan: string;
  readonly node: string;
  /** What it may fail together with. It says so in its lease, for plans with replicas. */
  readonly zone?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly workers?: number | undefined;
  /** Room for the rows of another release, as a share of the bytes of the first one. */
  readonly headroom?: number | undefined;
  readonly commonPort?: number | undefined;
  readonly insecure?: boolean | undefined;
  readonly verify?: boolean | undefined;
  readonly allowOrigin?: string | undefined;
  readonly allowHost?: readonly string[] | undefined;
  /** `rdma`: serves by RDMA too. */
  readonly transport?: 'stream' | 'rdma' | undefined;
  readonly rdmaDevice?: string | undefined;
  readonly gidIndex?: number | undefined;
  /** The least severe log entries that are written. Default: info. */
  readonly logLevel?: LogLevel | undefined;
}

/**
 * `flexemr serve`: serves one node of a plan until it is told to stop, then answers the subrequests that it holds. It
 * logs events to stderr, one JSON object per line. @throws as MemoryNodeHost.start
 */
export async function serve(options: ServeOptions, onReady: (ready: Ready) => void): Promise<void> {
  const stop = new StopRequest();
  let cluster: ClusterStore | undefined;
  try {
    const log = logOf({ node: options.node }, options.logLevel);
    cluster = await openClusterSource(options.plan, await readNats(options));
    const started = await Promise.race([startWithBar(options, cluster, log), stop.asked]);
    // It was told to stop before it served, so there are no subrequests to answer.
    if (!(started instanceof MemoryNodeHost)) process.exit(0);
    const ready = readyOf(started, options.node);
    onReady(ready);
    if (process.connected) process.send?.(ready);
    cluster.leases?.holdNode(
      () => leaseOf(started, options),
      (err) => log.warn({ err }, 'the lease of the node cannot be renewed'),
    );
    log.info({ cause: await stop.asked }, 'draining');
    await started.close();
  } finally {
    await cluster?.close();
    // An open channel to the parent process would keep this process alive.
    if (process.connected) process.disconnect?.();
  }
}

function leaseOf(host: MemoryNodeHost, { node, zone }: ServeOptions): NodeLease {
  const { url, ports, routing, releases, rowBytes: usedBytes } = host;
  const totalBytes = routing.nodes.find(({ id }) => id === node)?.bytes;
  return { node, url, ports, zone, room: { usedBytes, totalBytes }, releases, version: packageVersion() };
}

async function startWithBar(
  options: ServeOptions,
  routing: ClusterSource,
  log: Log,
): Promise<MemoryNodeHost> {
  const { node, host, port, workers, headroom, commonPort, insecure, allowOrigin, allowHost, verify } =
    options;
  const security = await readSecurity(options);
  const bar = new LoadBar();
  const listening = {
    host,
    port,
    workers,
    headroom,
    commonPort,
    security,
    insecure,
    allowOrigin,
    allowHosts: allowHost,
  };
  try {
    return await MemoryNodeHost.start({
      tables: await tableSource(options),
      routing,
      node,
      verify,
      ...listening,
      rdma: deviceOf(options),
      // They are beside the cluster.
      updates: isNatsAddress(options.plan)
        ? { nats: options.plan, credentials: await readNats(options) }
        : undefined,
      log,
      onProgress: bar.update,
    });
  } finally {
    bar.stop();
  }
}

function deviceOf({ transport, rdmaDevice, gidIndex }: ServeOptions): DeviceChoice | undefined {
  return transport === 'rdma' ? { device: rdmaDevice, gidIndex } : undefined;
}

function readyOf({ url, ports, routing }: MemoryNodeHost, node: string): Ready {
  const own = predictionOf(routing, {}).nodes.find(({ node: id }) => id === node);
  return { ready: true, node, url, ports, tables: own?.tables ?? 0, bytes: own?.bytes ?? 0 };
}

/** The ready line for people. */
export function readyText({ node, url, ports, tables, bytes }: Ready): string {
  const workers = ports.length === 1 ? '1 worker at port' : `${ports.length} workers at ports`;
  return `${node} is ready at ${url}: ${workers} ${ports.join(', ')}; ${tables} tables, ${mib(bytes)} MiB`;
}
