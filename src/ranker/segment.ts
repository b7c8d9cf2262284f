import type { MissingPolicy } from '../kernel/call.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import type { ReplyShape } from '../wire/reply.ts';
import { type OutgoingSegment, segmentBytes } from '../wire/subrequest.ts';
import { type Fetching, vectorsOf } from './choose.ts';
import type { CutSegment } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';

/** What is known of a segment once it is routed and its form is chosen. */
export interface Routed {
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

/** One segment of a lookup: what it asks of which shard, and what comes of it. */
export interface Segment extends Routed {
  readonly outgoing: OutgoingSegment;
  readonly shape: ReplyShape;
  /** What it adds to a subrequest, and at most to its reply. */
  readonly bytes: number;
  readonly replyBytesMax: number;
}

export function segmentOf(routed: Routed): Segment {
  const outgoing = outgoingOf(routed);
  const shape = shapeOf(routed);
  const results = shape.vectors * (shape.vectorBytes + (shape.denominators ? 8 : 4));
  // Every key may be an exception.
  const replyBytesMax = results + outgoing.keys.length * 4 + 4;
  return { ...routed, outgoing, shape, bytes: segmentBytes(outgoing), replyBytesMax };
}

function outgoingOf({ table, shard, cut, fetching, partial, missing }: Routed): OutgoingSegment {
  return {
    shard: shard.number,
    version: table.version,
    wide: table.indexed,
    keys: fetching ? fetching.unique : cut.keys,
    offsets: fetching ? undefined : cut.offsets,
    weights: fetching ? undefined : cut.weights,
    partial: fetching === undefined && partial,
    fetch: fetching !== undefined,
    missing: missing === table.missing ? undefined : missing,
  };
}

function shapeOf({ table, cut, fetching, partial }: Routed): ReplyShape {
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
