import type { MissingPolicy } from '../kernel/call.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import type { Reply, ReplyShape } from '../wire/reply.ts';
import { type OutgoingSegment, segmentBytes } from '../wire/subrequest.ts';
import type { Fetching } from './choose.ts';
import { type CutSegment, vectorsOf } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';

const none: Uint32Array = new Uint32Array();

/** One segment of a lookup: the request to one shard, in the form that its subrequest carries, and the reply to it. */
export class Segment implements OutgoingSegment, ReplyShape {
  /** Name of its feature, for errors. */
  readonly feature: string;
  readonly table: RoutedTable;
  readonly place: NumberedShard;
  readonly cut: CutSegment;
  /** Set if the rows are fetched and pooled in the ranker; undefined if the memory node pools them. */
  readonly fetching: Fetching | undefined;
  /**
   * Number of results: one per bag that has keys in this shard, or one per key in mode `none`. If the table has only
   * one shard, one per bag, even an empty one.
   */
  readonly results: number;
  // The fields of OutgoingSegment: what the subrequest asks for.
  readonly shard: number;
  readonly version: number;
  readonly wide: boolean;
  readonly keys: Uint32Array;
  readonly offsets: Uint32Array | undefined;
  readonly weights: Float32Array | undefined;
  readonly partial: boolean;
  readonly fetch: boolean;
  readonly missing: MissingPolicy | undefined;
  // The fields of ReplyShape: what this segment's part of the reply holds.
  readonly vectors: number;
  readonly vectorBytes: number;
  readonly counts: boolean;
  readonly denominators: boolean;
  /** Bytes that it adds to a subrequest, and the most bytes that it adds to the reply. */
  readonly bytes: number;
  readonly replyBytesMax: number;
  /** Undefined until its node has answered. Stays undefined if the subrequest fails. */
  reply: Reply | undefined;
  /** Where its part begins: bytes from the start of the reply, and its first key among all keys of the subrequest. */
  valuesAt: number;
  countsAt: number;
  denominatorsAt: number;
  firstKey: number;
  /** The exceptions of the reply that concern its keys. */
  exceptions: Uint32Array;

  /** @param missing undefined: the policy of the table */
  constructor(
    feature: string,
    table: RoutedTable,
    cut: CutSegment,
    fetching: Fetching | undefined,
    missing: MissingPolicy | undefined,
  ) {
    const partial = fetching === undefined && table.shards.length > 1;
    this.feature = feature;
    this.table = table;
    this.place = table.shards[cut.shard];
    this.cut = cut;
    this.fetching = fetching;
    this.results = vectorsOf(table, cut);
    this.shard = this.place.number;
    this.version = table.version;
    this.wide = table.indexed;
    this.keys = fetching ? fetching.unique : cut.keys;
    this.offsets = fetching ? undefined : cut.offsets;
    this.weights = fetching ? undefined : cut.weights;
    this.partial = partial;
    this.fetch = fetching !== undefined;
    this.missing = missing;
    this.vectors = fetching ? this.keysSent : this.results;
    this.vectorBytes = fetching ? table.rowBytes : table.vectorBytes;
    this.counts = fetching === undefined;
    this.denominators = partial && table.divides && cut.weights !== undefined;
    this.bytes = segmentBytes(this);
    // Every key may be an exception.
    const each = this.vectorBytes + (this.denominators ? 8 : 4);
    this.replyBytesMax = this.vectors * each + this.keys.length * 4 + 4;
    this.reply = undefined;
    this.valuesAt = 0;
    this.countsAt = 0;
    this.denominatorsAt = 0;
    this.firstKey = 0;
    this.exceptions = none;
  }

  /** Number of keys that the subrequest carries for it. */
  get keysSent(): number {
    return this.wide ? this.keys.length >>> 1 : this.keys.length;
  }
}
