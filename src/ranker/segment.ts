import type { MissingPolicy } from '../kernel/call.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import type { Reply, ReplyShape } from '../wire/reply.ts';
import { type OutgoingSegment, segmentBytes } from '../wire/subrequest.ts';
import type { Fetching } from './choose.ts';
import { type CutSegment, vectorsOf } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';

const none: Uint32Array = new Uint32Array();

/** One segment of a lookup: what it asks of which shard, as its subrequest carries it, and what came of it. */
export class Segment implements OutgoingSegment, ReplyShape {
  /** Name of its feature, for errors. */
  readonly feature: string;
  readonly table: RoutedTable;
  readonly place: NumberedShard;
  readonly cut: CutSegment;
  /** Rows are fetched and pooled here; undefined: pooled there. */
  readonly fetching: Fetching | undefined;
  /** Results: one a bag that has keys in this shard, or for mode `none` one a key. */
  readonly results: number;
  // What it asks, as OutgoingSegment has it.
  readonly shard: number;
  readonly version: number;
  readonly wide: boolean;
  readonly keys: Uint32Array;
  readonly offsets: Uint32Array | undefined;
  readonly weights: Float32Array | undefined;
  readonly partial: boolean;
  readonly fetch: boolean;
  readonly missing: MissingPolicy | undefined;
  // What its part of the reply holds, as ReplyShape has it.
  readonly vectors: number;
  readonly vectorBytes: number;
  readonly counts: boolean;
  readonly denominators: boolean;
  /** What it adds to a subrequest, and at most to its reply. */
  readonly bytes: number;
  readonly replyBytesMax: number;
  /** Undefined until its node has answered, and for good where that failed. */
  reply: Reply | undefined;
  /** Where its part begins: bytes from the reply's start, and its first key among all keys of the subrequest. */
  valuesAt: number;
  countsAt: number;
  denominatorsAt: number;
  firstKey: number;
  /** Its exceptions, of its reply. */
  exceptions: Uint32Array;

  /** @param missing undefined: as the table says */
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

  /** Keys that its subrequest carries. */
  get keysSent(): number {
    return this.wide ? this.keys.length >>> 1 : this.keys.length;
  }
}
