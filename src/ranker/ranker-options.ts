import * as v from 'valibot';
import { callback, integer, type Optional, oneOf } from '../check.ts';
import { replyBudgetBytesMax, replyBudgetBytesMin } from '../credit-limits.ts';
import type { PushDown } from '../lookup/asked.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { Transport } from '../transport/transport.ts';
import type { UpdatedKeys } from '../updates/updated-keys.ts';
import type { Tracer } from '../wire/trace.ts';
import type { AdaptiveCache } from './adaptive-cache.ts';
import { type CacheOptions, cacheOption } from './cache-options.ts';
import type { CacheSize } from './cache-size.ts';

export interface RankerOptions {
  readonly routing: RoutingSource;
  readonly transport: Transport;
  /** The kernels of a ranker, for plain memory. */
  readonly module: WebAssembly.Module;
  /** Default `auto`: push down or fetch each segment, whichever brings back fewer bytes. */
  readonly pushDown?: PushDown | undefined;
  /** Bags of a feature that are equal are sent and pooled once. Default: true. */
  readonly deduplicateBags?: boolean | undefined;
  /**
   * Frames carry checksums, which detect bits that change in transit; the frame is then sent again. Default: true.
   * Frames over TLS and RDMA carry no checksums, because both protocols have their own.
   */
  readonly checksums?: boolean | undefined;
  /**
   * Whether all nodes must answer when the ranker opens. Default: true. Without, a node is asked when the first lookup needs it,
   * and nothing waits for those that do not answer.
   */
  readonly awaitNodes?: boolean | undefined;
  /** If several nodes hold the same rows, a subrequest whose reply is late is sent to another one, too. Default: true. */
  readonly hedge?: boolean | undefined;
  /** Most bytes of memory that one lookup may use to merge its results; default: workspaceBytesMax. */
  readonly workspaceBytes?: number | undefined;
  /** Most bytes of replies that are under way at a time; default: replyBudgetBytesDefault. */
  readonly replyBytes?: number | undefined;
  /** A cache of pooled bags: its size, or its options; default `off`. */
  readonly cache?: CacheSize | CacheOptions | undefined;
  /** Instead of a size of the cache: a scorer gives it the memory that its networks do not need. */
  readonly adaptive?: AdaptiveCache | undefined;
  /** Tells the cache which keys of tables that take updates are updated. Default: these tables are not cached. */
  readonly updatedKeys?: (() => Promise<UpdatedKeys>) | undefined;
  /** Lets an object be collected soon that nothing refers to any more. Default: it is collected some time. */
  readonly collect?: ((object: WeakRef<object>) => unknown) | undefined;
  /**
   * Called if a changed routing table cannot be used; the old one stays in use. Also when the cache leaves out tables that take
   * updates, because it does not hear of them.
   */
  readonly onRoutingError?: ((error: Error) => void) | undefined;
  /** Called at the start, and whenever no lookup uses the routing table before any more, with the fingerprint of the one that is used. */
  readonly onPlan?: ((plan: string) => void) | undefined;
  /** Called when the ranker is closed. */
  readonly onClosed?: (() => Promise<void>) | undefined;
  /** Records a span for each lookup and each attempt of a subrequest. Default: none. */
  readonly tracer?: Tracer | undefined;
}

/** Whether there may be a cache. */
export function hasCache({ cache = 'off', adaptive }: RankerOptions): boolean {
  const size = typeof cache === 'object' ? cache.size : cache;
  return adaptive !== undefined || (size !== undefined && size !== 'off' && size !== 0);
}

/** Options of a ranker that every entry of the package accepts. @internal */
export const rankerFields: {
  readonly pushDown: Optional<PushDown>;
  readonly deduplicateBags: Optional<boolean>;
  readonly checksums: Optional<boolean>;
  readonly hedge: Optional<boolean>;
  readonly replyBytes: Optional<number>;
  readonly cache: Optional<CacheSize | CacheOptions>;
  readonly onRoutingError: Optional<(error: Error) => void>;
} = {
  pushDown: v.optional(oneOf(['auto', 'always', 'never'])),
  deduplicateBags: v.optional(v.boolean()),
  checksums: v.optional(v.boolean()),
  hedge: v.optional(v.boolean()),
  replyBytes: v.optional(integer(replyBudgetBytesMin, replyBudgetBytesMax)),
  cache: cacheOption,
  onRoutingError: v.optional(callback<(error: Error) => void>()),
};
