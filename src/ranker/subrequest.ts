import { FlexemrError } from '../errors.ts';
import { badKey } from '../plan/checked-bags.ts';
import { HEADER_BYTES, SEGMENT_BYTES } from '../wire/layout.ts';
import { type Reply, type ReplyPlaces, replyPlaces, type WireError } from '../wire/reply.ts';
import { type OutgoingSegment, subrequestBytes, writeSubrequest } from '../wire/subrequest.ts';
import { outgoing, replyShape, type Segment } from './segment.ts';

/** What a lookup asks of one node: segments, and where their parts of the reply lie. */
export class Subrequest {
  readonly node: string;
  readonly segments: readonly Segment[];
  readonly places: ReplyPlaces;
  readonly bytes: number;
  /** Filled in when it has come. */
  reply: Reply | undefined;
  /** Why it has not. */
  error: FlexemrError | undefined;
  readonly #outgoing: readonly OutgoingSegment[];
  readonly #plan: bigint;

  constructor(node: string, plan: bigint, segments: readonly Segment[]) {
    this.node = node;
    this.segments = segments;
    this.places = replyPlaces(segments.map(replyShape));
    this.#plan = plan;
    this.#outgoing = segments.map(outgoing);
    this.bytes = subrequestBytes(this.#outgoing);
  }

  get replyBytes(): number {
    return this.places.end;
  }

  write(words: Uint32Array, at: number, timeLeftUs: number, replyCredits: number): void {
    writeSubrequest(words, at, { plan: this.#plan, timeLeftUs, replyCredits }, this.#outgoing);
  }

  /** A node's error, as the caller of the lookup understands it. @param names of the lookup's features */
  errorOf(error: WireError, names: readonly string[]): FlexemrError {
    const segment = this.segments[error.segment ?? 0];
    const { table, shard } = segment;
    const feature = names[segment.feature];
    const place = { node: this.node, shard: shard.number, value: error.value };
    if (error.code === 'INVALID_KEY') {
      const position = this.#position(segment, error.position ?? 0);
      const { name, rows } = table.spec;
      const why = table.indexed
        ? `is no id of table ${name}`
        : `is no row of table ${name}, which has ${rows}`;
      return badKey(feature, position, error.value, why);
    }
    const message = `memory node ${this.node}, shard ${shard.number} of table ${table.spec.name}: ${describe(error)}`;
    return new FlexemrError(error.code, message, { ...place, field: feature });
  }

  #position({ cut, fetching }: Segment, position: number): number {
    const inSegment = fetching ? fetching.inverse.indexOf(position) : position;
    return cut.positions?.[inSegment] ?? inSegment;
  }
}

function describe({ code, position, value, retryAfterMs }: WireError): string {
  switch (code) {
    case 'STALE_ROUTING':
      return 'it serves another plan or table version; read the routing table again';
    case 'OVERLOADED':
      return `it has no room for more; try again in ${retryAfterMs} ms`;
    case 'UNAVAILABLE':
      return `it is starting or draining; try again in ${retryAfterMs} ms`;
    case 'DEADLINE_EXCEEDED':
      return 'it could not answer in time';
    case 'LIMIT_EXCEEDED':
      return `${position} is over its limit of ${value}; split the batch`;
    default:
      return `it refuses the subrequest (${code}, position ${position}, value ${value})`;
  }
}

/** Groups segments by node, and where they outgrow a node's limits, cuts the groups. */
export function subrequests(
  plan: bigint,
  segments: readonly Segment[],
  limitsOf: (node: string) => { readonly subrequestBytes: number; readonly replyBytes: number },
): Subrequest[] {
  const all: Subrequest[] = [];
  for (const [node, own] of Map.groupBy(segments, ({ shard }) => shard.shard.node)) {
    const limits = limitsOf(node);
    let group: Segment[] = [];
    let [bytes, replyBytes] = [HEADER_BYTES, HEADER_BYTES];
    for (const segment of own) {
      const { keys, offsets, weights } = outgoing(segment);
      const more = SEGMENT_BYTES + keys.byteLength + (offsets?.byteLength ?? 0) + (weights?.byteLength ?? 0);
      const { vectors, vectorBytes, denominators } = replyShape(segment);
      // Every key may be an exception.
      const moreReply = vectors * (vectorBytes + (denominators ? 8 : 4)) + keys.byteLength + 4;
      if (HEADER_BYTES + more > limits.subrequestBytes || HEADER_BYTES + moreReply > limits.replyBytes)
        throw tooLarge(segment, node, Math.max(more, moreReply));
      if (bytes + more > limits.subrequestBytes || replyBytes + moreReply > limits.replyBytes) {
        all.push(new Subrequest(node, plan, group));
        group = [];
        [bytes, replyBytes] = [HEADER_BYTES, HEADER_BYTES];
      }
      group.push(segment);
      bytes += more;
      replyBytes += moreReply;
    }
    all.push(new Subrequest(node, plan, group));
  }
  return all;
}

function tooLarge({ table, shard }: Segment, node: string, bytes: number): FlexemrError {
  const message = `the bags of table ${table.spec.name} make ${bytes} bytes for memory node ${node}, more than it takes at once; split the batch`;
  return new FlexemrError('LIMIT_EXCEEDED', message, { node, shard: shard.number, value: bytes });
}
