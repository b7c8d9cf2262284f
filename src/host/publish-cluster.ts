import { FlexemrError } from '../errors.ts';
import { isSame, type Release } from '../plan/cluster.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';

export interface PublishedCluster {
  readonly revision: string;
  /** The cluster serves another plan, and was left as it is. */
  readonly kept: boolean;
}

/**
 * Writes the first release of a cluster. If the cluster serves it already, only the addresses of its nodes and the place of
 * its tables change. @param ifAbsent leaves a cluster that serves another plan as it is
 * @throws CONFLICT if it serves another; UNAVAILABLE, LIMIT_EXCEEDED
 */
export async function publishCluster(
  store: ClusterStore,
  serving: Release,
  ifAbsent: boolean,
): Promise<PublishedCluster> {
  try {
    return { revision: await store.replace({ serving }, undefined), kept: false };
  } catch (error) {
    if (!(error instanceof FlexemrError) || error.code !== 'CONFLICT') throw error;
  }
  const { cluster, revision } = await store.read();
  if (isSame(serving, cluster.serving))
    return { revision: await store.replace({ ...cluster, serving }, revision), kept: false };
  if (ifAbsent) return { revision, kept: true };
  const message =
    'the cluster is there already, and serves another plan. Change it while it serves: flexemr swap for other tables, flexemr rebalance for other nodes.';
  throw new FlexemrError('CONFLICT', message, { field: 'publish' });
}
