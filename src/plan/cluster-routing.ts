import type { ClusterSource } from './cluster-store.ts';
import { routingJson } from './routing-json.ts';
import type { RoutingSource } from './routing-source.ts';

/** The routing table that a cluster serves. A release that only comes or goes does not change it. */
export function clusterRouting(source: ClusterSource): RoutingSource {
  let last: string | undefined;
  return {
    async read() {
      const { routing } = (await source.read()).cluster.serving;
      last = routingJson(routing);
      return routing;
    },
    watch(onChange, onError) {
      let known = last;
      return source.watch(({ serving: { routing } }) => {
        const json = routingJson(routing);
        if (json === known) return;
        known = json;
        onChange(routing);
      }, onError);
    },
  };
}
