import type { MissingPolicy } from '../kernel/call.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import type { Reply, ReplyShape } from '../wire/reply.ts';
import { type OutgoingSegment, segmentBytes } from '../wire/subrequest.ts';
import type { Fetching } from './choose.ts';
import { type CutSegment, vectorsOf } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';

/** What is known of a segment once it is routed and its form is chosen. */
export interface Routed {
  readonly table: RoutedTable;
  readonly shard: NumberedShard;
  readonly cut: CutSegment;
  /** Rows are fetched and pooled here; undefined: pooled there. */
  readonly fetching: Fetching | undefined;
  /** Other shards may have keys of this feature too: no division there. */
  readonly partial: boolean;
  readonly missing: MissingPolicy;
}

/** A segment's part of a reply: bytes from the reply's start. */
export interface ReplyPart {
  readonly reply: Reply;
  readonly values: number;
  readonly counts: number;
  readonly denominators: number;
  /** Position of its first key among all keys of the subrequest. */
  readonly firstKey: number;
}

/** One segment of a lookup: what it asks of which shard, and what came of it. */
export class Segment implements Routed {
  readonly table: RoutedTable;
  readonly shard: NumberedShard;
  readonly cut: CutSegment;
  readonly fetching: Fetching | undefined;
  readonly partial: boolean;
  readonly missing: MissingPolicy;
  /** Name of its feature, for errors. */
  readonly feature: string;
  readonly outgoing: OutgoingSegment;
  readonly shape: ReplyShape;
  /** What it adds to a subrequest, and at most to its reply. */
  readonly bytes: number;
  readonly replyBytesMax: number;
  /** Undefined until its node has answered, and for good where that failed. */
  part: ReplyPart | undefined;

  constructor(feature: string, routed: Routed) {
    this.feature = feature;
    this.table = routed.table;
    this.shard = routed.shard;
    this.cut = routed.cut;
    this.fetching = routed.fetching;
    this.partial = routed.partial;
    this.missing = routed.missing;
    this.outgoing = outgoingOf(routed);
    this.shape = shapeOf(routed);
    this.bytes = segmentBytes(this.outgoing);
    const { vectors, vectorBytes, denominators } = this.shape;
    // Every key may be an exception.
    this.replyBytesMax = vectors * (vectorBytes + (denominators ? 8 : 4)) + this.outgoing.keys.length * 4 + 4;
    this.part = undefined;
  }

  /** Keys that its subrequest carries. */
  get keysSent(): number {
    const { keys, wide } = this.outgoing;
    return wide ? keys.length >>> 1 : keys.length;
  }

  /** Results: one a bag that has keys in this shard, or for mode `none` one a key. */
  get vectors(): number {
    return vectorsOf(this.table, this.cut);
  }
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
  return {
    vectors: vectorsOf(table, cut),
    vectorBytes: table.vectorBytes,
    counts: true,
    denominators: partial && table.divides && cut.weights !== undefined,
  };
}
