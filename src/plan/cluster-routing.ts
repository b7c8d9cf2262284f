import type { ClusterSource } from './cluster-store.ts';
import type { RoutingSource } from './routing-source.ts';

/** The routing table that a cluster serves. */
export function clusterRouting(source: ClusterSource): RoutingSource {
  return {
    read: async () => (await source.read()).cluster.serving.routing,
    watch: (onChange, onError) => source.watch(({ serving }) => onChange(serving.routing), onError),
  };
}
