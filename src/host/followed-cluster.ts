import { hostname } from 'node:os';
import { packageVersion } from '../kernel/files.ts';
import type { Lease } from '../nats/lease.ts';
import type { NatsCluster } from '../nats/nats-cluster.ts';
import { clusterRouting } from '../plan/cluster-routing.ts';
import type { RoutingSource } from '../plan/routing-source.ts';

/** A cluster in NATS that a ranker follows. The ranker says there which release its lookups use. */
export class FollowedCluster implements RoutingSource {
  readonly #cluster: NatsCluster;
  readonly #routing: RoutingSource;
  #lease: Lease | undefined;
  #used: { readonly plan: string; readonly since: string } | undefined;

  constructor(cluster: NatsCluster) {
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
    this.#used = { plan, since: new Date().toISOString() };
    const about = { version: packageVersion(), host: hostname() };
    // If NATS is away, the watch has said so.
    this.#lease ??= this.#cluster.holdRanker(
      () => this.#used && { ...this.#used, ...about },
      () => {},
    );
    this.#lease.write();
  };

  async close(): Promise<void> {
    await this.#cluster.close();
  }
}
