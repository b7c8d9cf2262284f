import { type Cluster, type Release, releasesOf } from '../plan/cluster.ts';
import type { KnownLease, KnownLeases, NodeLease, RankerLease } from '../plan/cluster-leases.ts';
import { planName } from '../plan/fingerprint.ts';
import type { PlannedNode } from '../plan/routing-table.ts';
import type { Transport } from '../transport/transport.ts';
import type { ReleaseStatus } from '../wire/handler.ts';

/** A release, in numbers. */
export interface ReleaseSummary {
  readonly plan: string;
  readonly from: string | undefined;
  readonly nodes: number;
  readonly tables: number;
  readonly shards: number;
  /** Versions of its tables, in order. */
  readonly versions: readonly number[];
}

/** What is known of a node: what it answers itself, and its lease. */
export interface NodeStatusReport {
  readonly node: string;
  readonly url: string | undefined;
  /** What the plan says, or else the node itself. */
  readonly zone: string | undefined;
  /** It answers now. */
  readonly answers: boolean;
  /** Why it does not. */
  readonly problem: string | undefined;
  /** The plan that it serves, as it says itself. Empty: it is starting. */
  readonly plan: string | undefined;
  /** The releases that it has, loads, or could not load, as it says itself. Undefined: it does not answer. */
  readonly releases: readonly ReleaseStatus[] | undefined;
  /** It has no lease. Undefined: there are no leases. Rankers go by what they see of a node, not by this. */
  readonly suspect: boolean | undefined;
  readonly lease: (NodeLease & { readonly ageMs: number }) | undefined;
}

export interface RankerStatusReport extends RankerLease {
  readonly id: string;
  readonly ageMs: number;
}

export interface ClusterStatus {
  readonly source: string;
  /** Undefined: the source has none. */
  readonly revision: string | undefined;
  readonly serving: ReleaseSummary;
  readonly next: ReleaseSummary | undefined;
  readonly previous: ReleaseSummary | undefined;
  readonly nodes: readonly NodeStatusReport[];
  /** Undefined: the source does not know them. */
  readonly rankers: readonly RankerStatusReport[] | undefined;
}

/** A cluster, and the leases of those who use it, if its source has leases. */
export interface KnownCluster {
  readonly source: string;
  readonly revision: string | undefined;
  readonly cluster: Cluster;
  readonly leases: KnownLeases | undefined;
}

/** Asks every node of every release what it serves. */
export async function clusterStatus(known: KnownCluster, transport: Transport): Promise<ClusterStatus> {
  const { source, revision, cluster, leases } = known;
  const { serving, next, previous } = cluster;
  const now = Math.round(performance.timeOrigin + performance.now());
  // The clock of the server may be ahead.
  const ageMs = (renewedAt: number): number => Math.max(0, now - renewedAt);
  const nodes = new Map<string, PlannedNode>();
  for (const { routing } of releasesOf(cluster).reverse())
    for (const node of routing.nodes) nodes.set(node.id, node);
  const leaseOf = new Map(leases?.nodes.map((lease) => [lease.node, lease]));
  return {
    source,
    revision,
    serving: summaryOf(serving),
    next: next && summaryOf(next),
    previous: previous && summaryOf(previous),
    nodes: await Promise.all(
      [...nodes.values()].map(async (node) => {
        const lease = leaseOf.get(node.id);
        return {
          ...(await ask(node, transport)),
          zone: node.zone ?? lease?.zone,
          suspect: leases && lease === undefined,
          lease: lease && { ...withoutId(lease), ageMs: ageMs(lease.renewedAt) },
        };
      }),
    ),
    rankers: leases?.rankers.map((lease) => {
      return { id: lease.id, ...withoutId(lease), ageMs: ageMs(lease.renewedAt) };
    }),
  };
}

function withoutId<T>({ id, renewedAt, ...lease }: KnownLease<T>): Omit<KnownLease<T>, 'id' | 'renewedAt'> {
  return lease;
}

function summaryOf({ routing, tables: from }: Release): ReleaseSummary {
  const { nodes, tables } = routing;
  const shards = tables.reduce((sum, table) => sum + table.shards.length, 0);
  const plan = planName(routing);
  const versions = [...new Set(tables.map(({ version }) => version))].sort((a, b) => a - b);
  return { plan, from, nodes: nodes.length, tables: tables.length, shards, versions };
}

async function ask(
  { id: node, url }: PlannedNode,
  transport: Transport,
): Promise<Omit<NodeStatusReport, 'suspect' | 'lease' | 'zone'>> {
  const silent = { node, url, answers: false, plan: undefined, releases: undefined };
  if (url === undefined) return { ...silent, problem: 'the routing table has no url for it' };
  try {
    const { plan, node: found, releases } = await transport.describe(url);
    if (found !== node) return { ...silent, problem: `node ${found} answers there` };
    const said = releases?.map(({ plan, state, problem }) => ({ plan, state, problem }));
    return { node, url, answers: true, problem: undefined, plan, releases: said };
  } catch (error) {
    return { ...silent, problem: (error as Error).message };
  }
}
