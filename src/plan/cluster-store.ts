import type { Cluster } from './cluster.ts';
import type { ClusterLeases } from './cluster-leases.ts';

/** A cluster as it was read, and what `replace` compares: a number of NATS, or the digest of a file. */
export interface ReadCluster {
  readonly cluster: Cluster;
  readonly revision: string;
}

/** Where the truth about a cluster is. */
export interface ClusterSource {
  /** Reads it. @throws INVALID_ROUTING; UNAVAILABLE or INVALID_FILE if it cannot be read */
  read(): Promise<ReadCluster>;
  /**
   * Calls `onChange` with every cluster that differs from the one before; the first is compared with the last result of `read`. If it
   * cannot be read or is not valid, calls `onError` once, and the old one stays.
   * @returns a function that ends the watch: afterwards neither is called
   */
  watch(onChange: (cluster: Cluster) => void, onError: (error: Error) => void): () => void;
}

/** A source that can be changed. */
export interface ClusterStore extends ClusterSource {
  /**
   * Replaces the cluster if nobody has changed it since `revision`. @param revision undefined: there must not be one yet
   * @returns its revision @throws CONFLICT if somebody has; UNAVAILABLE, INVALID_FILE
   */
  replace(cluster: Cluster, revision: string | undefined): Promise<string>;
  /** The rankers that use it, if the store knows: a file does not. */
  rankers?(): Promise<readonly FollowingRanker[]>;
  /** The leases of those who use it, if the store has any: a file has none. */
  readonly leases?: ClusterLeases | undefined;
  close(): Promise<void>;
}

/** A ranker, and the release that its lookups use. */
export interface FollowingRanker {
  readonly id: string;
  /** Fingerprint of the routing table, 16 hexadecimal digits. */
  readonly plan: string;
}
