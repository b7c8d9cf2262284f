import { FlexemrError } from '../errors.ts';
import { isSame, type Release } from '../plan/cluster.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';

/**
 * Writes the first release of a cluster. If the cluster serves it already, only the addresses of its nodes and the place of
 * its tables change. @returns the revision @throws CONFLICT if it serves another; UNAVAILABLE, LIMIT_EXCEEDED
 */
export async function publishCluster(store: ClusterStore, serving: Release): Promise<string> {
  try {
    return await store.replace({ serving }, undefined);
  } catch (error) {
    if (!(error instanceof FlexemrError) || error.code !== 'CONFLICT') throw error;
  }
  const { cluster, revision } = await store.read();
  if (isSame(serving, cluster.serving)) return await store.replace({ ...cluster, serving }, revision);
  const message =
    'the cluster is there already, and serves another plan. Change it while it serves: flexemr swap for other tables, flexemr rebalance for other nodes.';
  throw new FlexemrError('CONFLICT', message, { field: 'publish' });
}
