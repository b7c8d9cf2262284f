import type { MissingPolicy } from '../kernel/call.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import type { ReplyShape } from '../wire/reply.ts';
import type { OutgoingSegment } from '../wire/subrequest.ts';
import { type Fetching, vectorsOf } from './choose.ts';
import type { CutSegment } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';

/** One segment of a lookup: what it asks of which shard, and in what form. */
export interface Segment {
  /** Position of the feature in the lookup. */
  readonly feature: number;
  readonly table: RoutedTable;
  readonly shard: NumberedShard;
  readonly cut: CutSegment;
  /** Rows are fetched and pooled here; undefined: pooled there. */
  readonly fetching: Fetching | undefined;
  /** Other shards have keys of this feature too: no division there. */
  readonly partial: boolean;
  readonly missing: MissingPolicy;
}

/** A segment as its subrequest carries it. */
export function outgoing({ table, shard, cut, fetching, partial, missing }: Segment): OutgoingSegment {
  const common = { shard: shard.number, version: table.version, wide: table.indexed };
  const policy = missing === table.missing ? undefined : missing;
  if (fetching)
    return {
      ...common,
      keys: fetching.unique,
      offsets: undefined,
      weights: undefined,
      partial: false,
      fetch: true,
      missing: policy,
    };
  const { keys, offsets, weights } = cut;
  return { ...common, keys, offsets, weights, partial, fetch: false, missing: policy };
}

/** What its part of the reply holds. */
export function replyShape({ table, cut, fetching, partial }: Segment): ReplyShape {
  if (fetching) {
    const vectors = table.indexed ? fetching.unique.length >>> 1 : fetching.unique.length;
    return { vectors, vectorBytes: table.rowBytes, counts: false, denominators: false };
  }
  const divides = table.mode === 'mean' || table.mode === 'sqrtn';
  return {
    vectors: vectorsOf(table, cut),
    vectorBytes: table.spec.dim * 4,
    counts: true,
    denominators: partial && divides && cut.weights !== undefined,
  };
}
