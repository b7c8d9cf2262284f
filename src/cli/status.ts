import { ClusterReader } from '../host/cluster-reader.ts';
import type { ClusterStatus, ReleaseSummary } from '../host/cluster-status.ts';
import { columns, mib } from './columns.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { readSecurity, type SecurityOptions } from './security.ts';

export interface StatusOptions extends SecurityOptions, NatsOptions {
  readonly routing: string;
}

/** `flexemr status`: who serves a cluster and who uses it. @throws UNAVAILABLE, INVALID_ROUTING, INVALID_FILE */
export async function status(options: StatusOptions): Promise<ClusterStatus> {
  const [nats, security] = [await readNats(options), await readSecurity(options)];
  const reader = await ClusterReader.open({ routing: options.routing, nats, security });
  try {
    return await reader.status();
  } finally {
    await reader.close();
  }
}

/** The status for people. */
export function statusText({
  source,
  revision,
  serving,
  next,
  previous,
  nodes,
  rankers,
}: ClusterStatus): string {
  const at = revision === undefined ? '' : `, revision ${revision}`;
  const change = [
    ...(next ? [`next      ${releaseText(next)}. The nodes load it.`] : []),
    ...(previous ? [`previous  ${releaseText(previous)}. It is freed when no ranker uses it.`] : []),
    ...(next || previous ? [] : ['no change is under way']),
  ];
  const parts = [`${source}${at}\nserving   ${releaseText(serving)}\n${change.join('\n')}`, nodesText(nodes)];
  if (nodes.length > 1 && nodes.every(({ suspect }) => suspect))
    parts.push('No node has a lease: was NATS away, or do the nodes not know it? Lookups go on.');
  if (rankers !== undefined) parts.push(rankersText(rankers));
  return parts.join('\n\n');
}

function releaseText({ plan, from, nodes, tables, shards, versions }: ReleaseSummary): string {
  const where = from === undefined ? '' : ` from ${from}`;
  const version = versions.length > 1 ? `versions ${versions.join(', ')}` : `version ${versions[0] ?? '–'}`;
  return `${plan}${where}: ${version}, ${tables} tables, ${shards} shards on ${nodes} nodes`;
}

function nodesText(nodes: ClusterStatus['nodes']): string {
  const head = [
    'node',
    'url',
    'zone',
    'answers',
    'serves',
    'lease',
    'loaded',
    'used MiB',
    'of MiB',
    'version',
  ];
  const rows = nodes.map(({ node, url = '–', zone = '–', answers, plan, releases = [], suspect, lease }) => {
    const { room, version = '–' } = lease ?? {};
    const age = suspect === undefined ? '–' : lease === undefined ? 'suspect' : seconds(lease.ageMs);
    const loaded = releases.map(({ plan: each, state }) => `${each} ${state}`).join(', ') || '–';
    const used = room === undefined ? '–' : mib(room.usedBytes);
    const total = room?.totalBytes === undefined ? '–' : mib(room.totalBytes);
    const serves = plan === '' ? 'starting' : (plan ?? '–');
    return [node, url, zone, answers ? 'yes' : 'no', serves, age, loaded, used, total, version];
  });
  const problems = nodes.flatMap(({ node, zone, lease, problem, releases = [] }) =>
    [problem, zoneProblem(zone, lease?.zone), ...releases.map((release) => release.problem)].flatMap(
      (each) => (each === undefined ? [] : [`${node}: ${each}`]),
    ),
  );
  return [columns([head, ...rows]), ...problems].join('\n');
}

/** A node that has moved: the plan may have both replicas of a shard in one zone. */
function zoneProblem(planned: string | undefined, said: string | undefined): string | undefined {
  if (said === undefined || said === planned) return undefined;
  return `the plan has it in zone ${planned}, but it says that it is in ${said}: flexemr rebalance`;
}

function rankersText(rankers: NonNullable<ClusterStatus['rankers']>): string {
  if (rankers.length === 0) return 'no ranker has a lease';
  const head = ['ranker', 'host', 'uses', 'since', 'lease', 'version'];
  const rows = rankers.map(({ id, host, plan, since, ageMs, version }) =>
    [id, host, plan, since, seconds(ageMs), version].map((cell) => cell || '–'),
  );
  return columns([head, ...rows]);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
