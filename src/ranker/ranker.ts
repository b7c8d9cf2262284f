import type { CacheStats } from '../lookup/cache-memory.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { Traffic } from '../transport/transport.ts';
import type { AdaptiveCache } from './adaptive-cache.ts';
import type { CacheSize } from './cache-size.ts';
import type { SubrequestEnd } from './fan-out-terms.ts';
import type { LookupOptions } from './lookup-options.ts';
import type { NodeStatus } from './node-client.ts';
import type { ReplyStats } from './reply-budget.ts';

/** What was requested since the ranker was opened, and the bytes that its transport transferred. */
export interface RankerStats extends Traffic, ReplyStats {
  readonly lookups: number;
  /** Without those that were sent again, or to a second node. */
  readonly subrequests: number;
  readonly retries: number;
  /** Subrequests that were sent to a second node because their replies were late, and those that it answered first. */
  readonly hedged: number;
  readonly hedgesWon: number;
  readonly segmentsPushed: number;
  readonly segmentsFetched: number;
  /** Bags that were not sent, because an earlier bag of their feature was the same. */
  readonly bagsRepeated: number;
  /** Undefined: there is no cache. */
  readonly cache: CacheStats | undefined;
  /** Bytes of caches of an earlier size that the garbage collector has not freed yet. */
  readonly cacheReleasedBytes: number;
}

/** Bytes of the cache, those that were ever written, and those of earlier caches that are not freed yet. */
export interface CacheMemoryBytes {
  readonly bytes: number;
  readonly touchedBytes: number;
  readonly releasedBytes: number;
}

/** Looks up bags in tables that memory nodes hold. */
export interface Ranker extends AsyncDisposable {
  /** The specs of all tables. */
  readonly specs: TableSpec[];
  /** Every memory node, and whether it answered when it was asked last. */
  readonly nodes: NodeStatus[];
  readonly stats: RankerStats;
  /** Bounds of its cache, if a scorer may change its size. @internal */
  readonly adaptiveCache: AdaptiveCache | undefined;
  /** @internal */
  readonly cacheMemory: CacheMemoryBytes;

  /**
   * Looks up bags of keys, feature by feature.
   * @throws UNKNOWN_TABLE, INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, INVALID_OPTION,
   *   LIMIT_EXCEEDED, OUT_OF_MEMORY; DEADLINE_EXCEEDED, CANCELLED, RELEASED; from nodes UNAVAILABLE, OVERLOADED,
   *   UNAUTHORIZED, STALE_ROUTING, STALE_ROWS, NODE_FAILED; and with engines WORKER_FAILED
   */
  lookup(bags: KeyedBags, options?: LookupOptions): Promise<Lookup>;

  /**
   * Gives the cache another size. Lookups go on meanwhile. An adaptive cache grows where it is. Otherwise nothing is added to the
   * old one until the new one has its entries: all, or those that would be evicted last. Its memory is freed once no lookup
   * uses it, and the garbage collector has found that.
   * @throws INVALID_OPTION; OUT_OF_MEMORY if the system has no memory: the cache then stays as it is; RELEASED
   */
  resizeCache(size: CacheSize): Promise<void>;

  /** Asks every memory node whether it is there. @returns what `nodes` gives then */
  checkNodes(): Promise<NodeStatus[]>;

  /** Hears each attempt of a subrequest. @internal */
  observe(onSubrequest: (end: SubrequestEnd) => void): void;

  /** Closes every connection. Lookups in flight fail with RELEASED, whatever they wait for. */
  close(): Promise<void>;
}
