import { hostname } from 'node:os';
import { packageVersion } from '../kernel/files.ts';
import type { HeldLease } from '../plan/cluster-leases.ts';
import { clusterRouting } from '../plan/cluster-routing.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';
import type { RoutingSource } from '../plan/routing-source.ts';

/** A cluster that a ranker follows. The ranker says there which release its lookups use, if it has leases. */
export class FollowedCluster implements RoutingSource {
  readonly #cluster: ClusterStore;
  readonly #routing: RoutingSource;
  #lease: HeldLease | undefined;
  #used: { readonly plan: string; readonly since: string } | undefined;

  constructor(cluster: ClusterStore) {
    this.#cluster = cluster;
    this.#routing = clusterRouting(cluster);
  }

  read(): ReturnType<RoutingSource['read']> {
    return this.#routing.read();
  }

  watch(...listeners: Parameters<RoutingSource['watch']>): () => void {
    return this.#routing.watch(...listeners);
  }

  /** Lookups use another plan. */
  readonly uses = (plan: string): void => {
    const since = new Date(performance.timeOrigin + performance.now()).toISOString();
    this.#used = { plan, since };
    const about = { version: packageVersion(), host: hostname() };
    // If the cluster cannot be reached, the watch has said so.
    this.#lease ??= this.#cluster.leases?.holdRanker(
      () => this.#used && { ...this.#used, ...about },
      () => {},
    );
    this.#lease?.write();
  };

  async close(): Promise<void> {
    await this.#cluster.close();
  }
}
