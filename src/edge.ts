export type {} from './libraries.ts';

// The ranker for edge runtimes: it uses kernels over plain memory, the runtime's own fetch, and nothing that only some
// of these runtimes have.
import * as v from 'valibot';
import { ranker } from '#ranker';
import { checkFields, given, integer, options as optionsOf } from './check.ts';
import { edgeReplyBudgetBytes } from './credit-limits.ts';
import { edgeWorkspaceBytes, workspaceBytesMax } from './limits.ts';
import type { PushDown } from './lookup/asked.ts';
import { type RoutingSource, routingSource } from './plan/routing-source.ts';
import type { RoutingTable } from './plan/routing-table.ts';
import type { CacheOptions } from './ranker/cache-options.ts';
import type { CacheSize } from './ranker/cache-size.ts';
import { InlineRanker } from './ranker/inline-ranker.ts';
import type { Ranker } from './ranker/ranker.ts';
import { rankerFields } from './ranker/ranker-options.ts';
import { FetchTransport } from './transport/fetch.ts';

export { type ErrorCode, FlexemrError } from './errors.ts';
export type { LookupUpdates, UpdatedShard } from './lookup/answered-updates.ts';
export type { Lookup, Pooled } from './lookup/pooled.ts';
export type { Bags, KeyedBags, Keys } from './plan/bags.ts';
export { parseRouting } from './plan/routing-json.ts';
export { fixedRouting, type RoutingSource } from './plan/routing-source.ts';
export type { RoutingTable } from './plan/routing-table.ts';
export type { CacheOptions } from './ranker/cache-options.ts';
export type { LookupOptions } from './ranker/lookup-options.ts';
export type { Ranker, RankerStats } from './ranker/ranker.ts';
export type { AtLeast, ShardMark } from './ranker/wanted-rows.ts';
export type { TraceContext } from './wire/trace.ts';

export interface EdgeRankerOptions {
  /** `parseRouting` reads one from JSON. */
  readonly routing: RoutingTable | RoutingSource;
  /** The bearer token of the memory nodes. */
  readonly token?: string | undefined;
  /** Default: `auto`, which pushes down or fetches, whichever transfers fewer bytes. */
  readonly pushDown?: PushDown | undefined;
  /** A cache of pooled bags: its bytes, `16MiB`, `10%` of the bytes of all rows, `off` (default), or its options. */
  readonly cache?: CacheSize | CacheOptions | undefined;
  /** Bags of a feature that are equal are sent and pooled once. Default: true. */
  readonly deduplicateBags?: boolean | undefined;
  /** Whether frames that are not sent over TLS carry checksums. Default: true. */
  readonly checksums?: boolean | undefined;
  /** If several nodes hold the same rows, a subrequest whose reply is late is sent to another one, too. Default: true. */
  readonly hedge?: boolean | undefined;
  /** Most bytes that one lookup may use to merge results. Default: 64 MiB, which is half of what an isolate has. */
  readonly workspaceBytes?: number | undefined;
  /** Most bytes of replies that are under way at a time: 64 KiB or more. Default: 16 MiB. */
  readonly replyBytes?: number | undefined;
}

const rankerOptions = optionsOf({
  routing: v.optional(given<RoutingTable | RoutingSource>('a routing table')),
  token: v.optional(v.string()),
  pushDown: rankerFields.pushDown,
  cache: rankerFields.cache,
  deduplicateBags: rankerFields.deduplicateBags,
  checksums: rankerFields.checksums,
  hedge: rankerFields.hedge,
  workspaceBytes: v.optional(integer(1, workspaceBytesMax)),
  replyBytes: rankerFields.replyBytes,
});

/** Opens a ranker over memory nodes. @throws INVALID_ROUTING, INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED */
export async function openRanker(options: EdgeRankerOptions): Promise<Ranker> {
  const {
    routing,
    token,
    workspaceBytes = edgeWorkspaceBytes,
    replyBytes = edgeReplyBudgetBytes,
    ...how
  } = checkFields(rankerOptions, options);
  return await InlineRanker.open({
    routing: routingSource(routing),
    transport: new FetchTransport({ token }),
    module: ranker,
    workspaceBytes,
    replyBytes,
    ...how,
  });
}
