import { type Cluster, type Release, releasesOf } from '../plan/cluster.ts';
import type { KnownLease, KnownLeases, NodeLease, RankerLease } from '../plan/cluster-leases.ts';
import { fingerprint, planText } from '../plan/fingerprint.ts';
import type { PlannedNode } from '../plan/routing-table.ts';
import type { Transport } from '../transport/transport.ts';

/** A release, in numbers. */
export interface ReleaseStatus {
  readonly plan: string;
  readonly from: string | undefined;
  readonly nodes: number;
  readonly tables: number;
  readonly shards: number;
}

/** What is known of a node: what it answers itself, and its lease. */
export interface NodeStatusReport {
  readonly node: string;
  readonly url: string | undefined;
  /** It answers now. */
  readonly answers: boolean;
  /** Why it does not. */
  readonly problem: string | undefined;
  /** The plan that it serves, as it says itself. Empty: it is starting. */
  readonly plan: string | undefined;
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
  readonly serving: ReleaseStatus;
  readonly next: ReleaseStatus | undefined;
  readonly previous: ReleaseStatus | undefined;
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
  const now = Date.now();
  // The clock of the server may be ahead.
  const ageMs = (renewedAt: number): number => Math.max(0, now - renewedAt);
  const nodes = new Map<string, PlannedNode>();
  for (const { routing } of releasesOf(cluster).reverse())
    for (const node of routing.nodes) nodes.set(node.id, node);
  const leaseOf = new Map(leases?.nodes.map((lease) => [lease.node, lease]));
  return {
    source,
    revision,
    serving: releaseStatus(serving),
    next: next && releaseStatus(next),
    previous: previous && releaseStatus(previous),
    nodes: await Promise.all(
      [...nodes.values()].map(async (node) => {
        const lease = leaseOf.get(node.id);
        return {
          ...(await ask(node, transport)),
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

function releaseStatus({ routing, tables: from }: Release): ReleaseStatus {
  const { nodes, tables } = routing;
  const shards = tables.reduce((sum, table) => sum + table.shards.length, 0);
  const plan = planText(fingerprint(routing));
  return { plan, from, nodes: nodes.length, tables: tables.length, shards };
}

async function ask(
  { id: node, url }: PlannedNode,
  transport: Transport,
): Promise<Pick<NodeStatusReport, 'node' | 'url' | 'answers' | 'problem' | 'plan'>> {
  if (url === undefined)
    return { node, url, answers: false, problem: 'the routing table has no url for it', plan: undefined };
  try {
    const { plan, node: found } = await transport.describe(url);
    const problem = found === node ? undefined : `node ${found} answers there`;
    return { node, url, answers: problem === undefined, problem, plan };
  } catch (error) {
    return { node, url, answers: false, problem: (error as Error).message, plan: undefined };
  }
}
