import { FlexemrError } from '../errors.ts';
import { subrequestSegmentsMax } from '../limits.ts';
import { badKey } from '../plan/checked-bags.ts';
import type { RowRead } from '../transport/transport.ts';
import { HEADER_BYTES } from '../wire/layout.ts';
import { type Reply, type ReplyPlaces, replyPlaces, type WireError } from '../wire/reply.ts';
import { subrequestBytes, writeSubrequest } from '../wire/subrequest.ts';
import type { NodeClient, NodeLimits } from './node-client.ts';
import type { Segment } from './segment.ts';

/** What a lookup asks of one node: segments, and where their parts of the reply lie. */
export class Subrequest {
  readonly node: string;
  readonly segments: readonly Segment[];
  readonly bytes: number;
  /** Why there is no answer. */
  error: FlexemrError | undefined;
  reply: Reply | undefined;
  readonly #places: ReplyPlaces;
  readonly #plan: bigint;

  constructor(node: string, plan: bigint, segments: readonly Segment[]) {
    this.node = node;
    this.segments = segments;
    this.bytes = subrequestBytes(segments);
    this.error = undefined;
    this.reply = undefined;
    this.#places = replyPlaces(segments);
    this.#plan = plan;
  }

  /** All it asks for, where that is nothing but rows that are there. */
  get reads(): readonly RowRead[] | undefined {
    return this.segments.every(isReadable) ? this.segments.map(readOf) : undefined;
  }

  get replyBytes(): number {
    return this.#places.end;
  }

  write(words: Uint32Array, at: number, timeLeftUs: number, replyCredits: number): void {
    writeSubrequest(words, at, { plan: this.#plan, timeLeftUs, replyCredits }, this.bytes, this.segments);
  }

  /** Gives every segment its part. @throws INVALID_FRAME where the reply is not what was asked for */
  answered(reply: Reply): void {
    const { values, counts, denominators } = this.#places;
    reply.check(this.#places);
    this.reply = reply;
    let firstKey = 0;
    for (let i = 0; i < this.segments.length; i++) {
      const segment = this.segments[i];
      segment.reply = reply;
      segment.valuesAt = values[i];
      segment.countsAt = counts[i];
      segment.denominatorsAt = denominators[i];
      segment.firstKey = firstKey;
      firstKey += segment.keysSent;
    }
  }

  /** A node's error, as the caller of the lookup understands it. */
  errorOf(error: WireError): FlexemrError {
    const segment = this.segments[error.segment ?? 0];
    const { table, place: shard, feature } = segment;
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

/** Rows by their numbers, each of which is there. */
function isReadable({ fetch, wide, keys, table }: Segment): boolean {
  if (!fetch || wide) return false;
  const { rows, padding } = table.spec;
  return keys.every((key) => key < rows && key !== padding);
}

function readOf({ shard, version, keys, vectorBytes }: Segment): RowRead {
  return { shard, version, keys, rowBytes: vectorBytes };
}

/**
 * Groups segments by node, and where they outgrow a node's limits, cuts the groups.
 * What asks for nothing but rows that may be read goes by itself. @throws LIMIT_EXCEEDED
 */
export function subrequests(
  plan: bigint,
  segments: readonly Segment[],
  clientOf: (node: string) => Pick<NodeClient, 'limits' | 'readsRows'>,
): Subrequest[] {
  const pooled = new Map<string, Segment[]>();
  const rows = new Map<string, Segment[]>();
  for (const segment of segments) {
    const { node } = segment.place.shard;
    const groups = clientOf(node).readsRows && isReadable(segment) ? rows : pooled;
    const group = groups.get(node);
    if (group === undefined) groups.set(node, [segment]);
    else group.push(segment);
  }
  return [...pooled, ...rows].flatMap(([node, own]) => within(plan, node, own, clientOf(node).limits));
}

function within(plan: bigint, node: string, segments: readonly Segment[], limits: NodeLimits): Subrequest[] {
  const all: Subrequest[] = [];
  let first = 0;
  let [bytes, replyBytes, keys] = [HEADER_BYTES, HEADER_BYTES, 0];
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i];
    const { keysSent } = segment;
    if (HEADER_BYTES + segment.bytes > limits.subrequestBytes)
      throw tooLarge(segment, node, segment.bytes, 'bytes');
    if (HEADER_BYTES + segment.replyBytesMax > limits.replyBytes)
      throw tooLarge(segment, node, segment.replyBytesMax, 'bytes of reply');
    if (keysSent > limits.subrequestKeys) throw tooLarge(segment, node, keysSent, 'keys');
    bytes += segment.bytes;
    replyBytes += segment.replyBytesMax;
    keys += keysSent;
    const fits = bytes <= limits.subrequestBytes && replyBytes <= limits.replyBytes;
    if (fits && keys <= limits.subrequestKeys && i - first < subrequestSegmentsMax) continue;
    all.push(new Subrequest(node, plan, segments.slice(first, i)));
    first = i;
    bytes = HEADER_BYTES + segment.bytes;
    replyBytes = HEADER_BYTES + segment.replyBytesMax;
    keys = keysSent;
  }
  all.push(new Subrequest(node, plan, first === 0 ? segments : segments.slice(first)));
  return all;
}

function tooLarge({ table, place: shard }: Segment, node: string, value: number, unit: string): FlexemrError {
  const message = `the bags of table ${table.spec.name} make ${value} ${unit} for memory node ${node}, more than it takes at once; split the batch`;
  return new FlexemrError('LIMIT_EXCEEDED', message, { node, shard: shard.number, value });
}
