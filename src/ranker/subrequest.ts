import { FlexemrError } from '../errors.ts';
import { subrequestSegmentsMax } from '../limits.ts';
import { badKey } from '../plan/checked-bags.ts';
import type { RowRead } from '../transport/transport.ts';
import type { FrameIdentity } from '../wire/frame-identity.ts';
import {
  EXCEPTION_POSITION_MASK,
  FRAME_CHECKSUM,
  HEADER_BYTES,
  SEQUENCE_BYTES,
  wireVersion,
} from '../wire/layout.ts';
import { invalidReply, type Reply, type ReplyPlaces, replyPlaces, type WireError } from '../wire/reply.ts';
import { type SubrequestHead, subrequestBytes, writeSubrequest } from '../wire/subrequest.ts';
import type { NodeClient, NodeLimits } from './node-client.ts';
import { checkBlamedKey, checkReply, checkResults } from './reply-check.ts';
import type { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

/** The identity of a reply that the transport builds itself, from rows that it has read without sending a frame. */
const unsent: FrameIdentity = { id: 0, version: wireVersion, checksum: false };

/** What a lookup asks of one node: segments, and the places of their parts in the reply. */
export class Subrequest {
  readonly node: string;
  readonly segments: readonly Segment[];
  readonly bytes: number;
  /** Why there is no reply. */
  error: FlexemrError | undefined;
  reply: Reply | undefined;
  readonly #places: ReplyPlaces;
  readonly #plan: bigint;
  readonly #workspace: Workspace;
  /** The fields of its last frame that the reply must repeat. */
  #sent: FrameIdentity = unsent;

  constructor(node: string, plan: bigint, segments: readonly Segment[], workspace: Workspace) {
    this.node = node;
    this.segments = segments;
    this.bytes = subrequestBytes(segments);
    this.error = undefined;
    this.reply = undefined;
    this.#places = replyPlaces(segments);
    this.#plan = plan;
    this.#workspace = workspace;
  }

  /** The rows that it asks for; undefined if it asks for anything else than rows that exist. */
  get reads(): readonly RowRead[] | undefined {
    return this.segments.every(isReadable)
      ? this.segments.map((segment) => readOf(segment, this.#plan))
      : undefined;
  }

  get replyBytes(): number {
    return this.#places.end;
  }

  /** Bytes of its reply if every key is an exception and each segment has a sequence number. */
  get replyBytesMax(): number {
    const { segments } = this;
    return segments.reduce((sum, { keysSent }) => sum + keysSent * 4 + SEQUENCE_BYTES, this.#places.end);
  }

  /** Called before each attempt, when no frame has been sent that a reply could answer. */
  begin(): void {
    this.#sent = unsent;
  }

  write(words: Uint32Array, at: number, head: Omit<SubrequestHead, 'plan'>): void {
    this.#sent = head;
    writeSubrequest(words, at, { ...head, plan: this.#plan }, this.bytes, this.segments);
    if (!head.checksum) return;
    const frame = new Uint8Array(words.buffer, words.byteOffset + at * 4, this.bytes);
    words[at + (FRAME_CHECKSUM >>> 2)] = this.#workspace.checksum(frame);
  }

  /** Checks that a reply is complete and answers the last frame. @returns the reply @throws INVALID_FRAME if not */
  check(reply: Reply): Reply {
    checkReply(reply, this.#sent, this.#workspace);
    return reply;
  }

  /** Gives every segment its part of the reply. @throws INVALID_FRAME if the reply does not match the subrequest */
  answered(reply: Reply): void {
    const { values, counts, denominators } = this.#places;
    checkResults(reply, this.#places, this.segments);
    this.reply = reply;
    const { exceptions } = reply;
    let firstKey = 0;
    let exception = 0;
    for (let i = 0; i < this.segments.length; i++) {
      const segment = this.segments[i];
      const end = firstKey + segment.keysSent;
      const firstException = exception;
      while (exception < exceptions.length && (exceptions[exception] & EXCEPTION_POSITION_MASK) < end)
        exception++;
      segment.reply = reply;
      segment.valuesAt = values[i];
      segment.countsAt = counts[i];
      segment.denominatorsAt = denominators[i];
      segment.firstKey = firstKey;
      segment.exceptions = exceptions.subarray(firstException, exception);
      firstKey = end;
    }
  }

  /** Translates a node's error into terms of the lookup: its features, and positions in their keys. */
  errorOf(error: WireError): FlexemrError {
    const segment = this.segments[error.segment ?? 0];
    if (segment === undefined)
      throw invalidReply(
        `reports an error in segment ${error.segment} of ${this.segments.length}`,
        error.segment,
      );
    const { table, place: shard, feature } = segment;
    const place = { node: this.node, shard: shard.number, value: error.value };
    if (error.code === 'INVALID_KEY') {
      checkBlamedKey(segment, error);
      const position = this.#position(segment, error.position ?? 0);
      const { name, rows } = table.spec;
      const why = table.indexed
        ? `is not an id of table ${name}`
        : `is not a row of table ${name}, which has ${rows} rows`;
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
      return `it cannot take more subrequests now; try again in ${retryAfterMs} ms`;
    case 'UNAVAILABLE':
      return `it is starting or draining; try again in ${retryAfterMs} ms`;
    case 'DEADLINE_EXCEEDED':
      return 'it could not answer in time';
    case 'LIMIT_EXCEEDED':
      return `${position} exceeds its limit of ${value}; split the batch`;
    default:
      return `it refuses the subrequest (${code}, position ${position}, value ${value})`;
  }
}

/** Whether a segment asks for rows by their numbers, and every key is an existing row other than the padding row. */
function isReadable({ fetch, wide, keys, table }: Segment): boolean {
  if (!fetch || wide) return false;
  const { rows, padding } = table.spec;
  return keys.every((key) => key < rows && key !== padding);
}

function readOf({ shard, version, keys, vectorBytes }: Segment, plan: bigint): RowRead {
  return { plan, shard, version, keys, rowBytes: vectorBytes };
}

/**
 * Groups segments by node, and splits the groups that exceed the node's limits. Segments whose rows the transport can
 * read by itself get separate subrequests. @throws LIMIT_EXCEEDED if a single segment exceeds a limit
 */
export function subrequests(
  plan: bigint,
  segments: readonly Segment[],
  clientOf: (node: string) => Pick<NodeClient, 'limits' | 'readsRows'>,
  workspace: Workspace,
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
  return [...pooled, ...rows].flatMap(([node, own]) =>
    within(own, node, clientOf(node).limits).map((some) => new Subrequest(node, plan, some, workspace)),
  );
}

/** Splits the segments of one node into groups within its limits. @throws LIMIT_EXCEEDED */
function within(segments: readonly Segment[], node: string, limits: NodeLimits): (readonly Segment[])[] {
  const all: (readonly Segment[])[] = [];
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
    all.push(segments.slice(first, i));
    first = i;
    bytes = HEADER_BYTES + segment.bytes;
    replyBytes = HEADER_BYTES + segment.replyBytesMax;
    keys = keysSent;
  }
  all.push(first === 0 ? segments : segments.slice(first));
  return all;
}

function tooLarge({ table, place: shard }: Segment, node: string, value: number, unit: string): FlexemrError {
  const message = `the bags of table ${table.spec.name} need ${value} ${unit} for memory node ${node}, which is more than its limit for one subrequest; split the batch`;
  return new FlexemrError('LIMIT_EXCEEDED', message, { node, shard: shard.number, value });
}
