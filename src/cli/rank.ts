import { readFile } from 'node:fs/promises';
import type { ClusterPlace } from '../host/cluster-reader.ts';
import { describeFiles } from '../host/open-scorer.ts';
import { RankHost } from '../host/rank-host.ts';
import { checkExposure, type ServerSecurity } from '../transport/security.ts';
import { type LogLevel, logOf } from './log.ts';
import type { OpenSource } from './lookup-source.ts';
import { readNats } from './nats-options.ts';
import { openSource, type SourceOptions } from './open.ts';
import type { ModelOptions } from './options.ts';
import { RemoteSource } from './remote-source.ts';
import { readSecurity, type SecurityOptions } from './security.ts';
import { StopRequest } from './stop-request.ts';

/** Security options are for clients of the service. Those for running nodes have names of their own. */
export interface RankOptions extends ModelOptions, Omit<SourceOptions, 'deadline'> {
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly insecure?: boolean | undefined;
  readonly allowOrigin?: string | undefined;
  readonly allowHost?: readonly string[] | undefined;
  readonly denseThreads?: number | undefined;
  readonly batchCandidates?: number | undefined;
  readonly batchDelay?: number | undefined;
  readonly queueCandidates?: number | undefined;
  readonly nodesTokenFile?: string | undefined;
  readonly nodesCert?: string | undefined;
  readonly nodesKey?: string | undefined;
  readonly nodesCa?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
  /** False: nothing is counted. */
  readonly metrics?: boolean | undefined;
}

/** The message of `flexemr rank` when it serves. */
export interface RankReady {
  readonly ready: true;
  readonly url: string;
  readonly model: string;
  readonly runtime: string;
  /** The memory nodes; empty if the tables are in this process. */
  readonly nodes: readonly { readonly node: string; readonly url: string }[];
}

/** `flexemr rank`: scores requests over HTTP until it is told to stop. @throws as openSource, RankHost.start */
export async function rank(options: RankOptions, onReady: (ready: RankReady) => void): Promise<void> {
  const stop = new StopRequest();
  try {
    const log = logOf({ ranker: options.name ?? 'ranker' }, options.logLevel);
    const started = await Promise.race([start(options, log), stop.asked]);
    if (typeof started === 'string') process.exit(0);
    const { host, source, ready } = started;
    onReady(ready);
    if (process.connected) process.send?.(ready);
    log.info({ cause: await stop.asked }, 'draining');
    await host.close();
    log.info({ ...host.scorer.stats }, 'drained');
    await source[Symbol.asyncDispose]();
  } finally {
    if (process.connected) process.disconnect?.();
  }
}

interface Started {
  readonly host: RankHost;
  readonly source: OpenSource;
  readonly ready: RankReady;
}

async function start(options: RankOptions, log: ReturnType<typeof logOf>): Promise<Started> {
  const { dense, model, name, denseThreads, batchCandidates, batchDelay, queueCandidates, metrics } = options;
  const { host: address, port, insecure, allowOrigin, allowHost: allowHosts } = options;
  const security: ServerSecurity = await readSecurity(options);
  // To open tables and nodes may take minutes. A wrong option is told before.
  checkExposure(address ?? '127.0.0.1', security, insecure ?? false);
  const onRoutingError = (err: Error): void => log.warn({ err }, 'the changed routing table cannot be used');
  const source = await openSource({ ...options, ...nodeSecurity(options), onRoutingError });
  try {
    const host = await RankHost.start({
      source: source instanceof RemoteSource ? source.ranker : source,
      ...{ dense, model, name, denseThreads, batchCandidates, batchDelay, queueCandidates },
      ...{ host: address, port, security, insecure, allowOrigin, allowHosts, metrics, log },
      cluster: await clusterOf(options),
    });
    const known = source instanceof RemoteSource ? source.ranker.nodes : [];
    const nodes = known.map(({ node, url }) => ({ node, url }));
    const { signature, runtime } = host.scorer;
    return { host, source, ready: { ready: true, url: host.url, model: signature.name, runtime, nodes } };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/** The cluster that `--routing` names. */
async function clusterOf(options: RankOptions): Promise<ClusterPlace | undefined> {
  const { routing } = options;
  if (routing === undefined) return undefined;
  return { routing, nats: await readNats(options), security: await readSecurity(nodeSecurity(options)) };
}

function nodeSecurity({ nodesTokenFile, nodesCert, nodesKey, nodesCa }: RankOptions): SecurityOptions {
  return { tokenFile: nodesTokenFile, cert: nodesCert, key: nodesKey, ca: nodesCa };
}

/** `flexemr rank --describe`: what the networks are taken for, as a model.json. @throws as openSource, describeFiles */
export async function describe(options: RankOptions): Promise<string> {
  if (options.model !== undefined) return await readFile(options.model, 'utf8');
  await using source = await openSource({ ...options, ...nodeSecurity(options), nodes: undefined });
  const described = await describeFiles(options.dense ?? [], source.specs, options.name ?? 'model');
  return JSON.stringify(described, null, 2);
}

/** The ready line for people. */
export function rankReadyText({ url, model, runtime, nodes }: RankReady): string {
  const names = nodes.map(({ node }) => node).join(', ');
  const where = nodes.length === 0 ? 'tables in this process' : `memory nodes ${names}`;
  return `${model} is ready at ${url} (${runtime}, ${where}); its page is ${url}/`;
}
