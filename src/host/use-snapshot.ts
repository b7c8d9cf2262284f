import { clusterWritesMax } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';
import { planName } from '../plan/fingerprint.ts';
import type { RoutingTable } from '../plan/routing-table.ts';

/**
 * Names a snapshot as the tables of the release that is served: nodes that start later begin with it. Nothing else changes.
 * @param tables its path or address, as the nodes see it @returns the revision of the cluster
 * @throws CONFLICT if the cluster serves another plan now, or others keep changing it; as ClusterStore
 */
export async function useSnapshot(
  store: ClusterStore,
  routing: RoutingTable,
  tables: string,
): Promise<string> {
  for (let tries = 1; ; tries++) {
    const { cluster, revision } = await store.read();
    const { serving } = cluster;
    if (planName(serving.routing) !== planName(routing)) throw changed();
    try {
      return await store.replace({ ...cluster, serving: { ...serving, tables } }, revision);
    } catch (error) {
      const isLate = error instanceof FlexemrError && error.code === 'CONFLICT';
      if (!isLate || tries === clusterWritesMax) throw error;
    }
  }
}

function changed(): FlexemrError {
  const message =
    'the cluster serves another plan now, so its nodes cannot use the snapshot: make another one';
  return new FlexemrError('CONFLICT', message, { field: 'cluster' });
}
