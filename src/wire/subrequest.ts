// Subrequests: what a ranker asks of one node. The ranker writes them, the node reads them where they lie.
import type { MissingPolicy } from '../kernel/call.ts';
import { segmentBagsMax, subrequestKeysMax, subrequestSegmentsMax } from '../limits.ts';
import * as wire from './layout.ts';
import type { WireError } from './reply.ts';

/** Keys of some bags that one shard holds, on their way out. */
export interface OutgoingSegment {
  /** Number of the shard in the routing table, and version of its table. */
  readonly shard: number;
  readonly version: number;
  /** u32, or u64 as pairs of words. */
  readonly keys: Uint32Array;
  readonly wide: boolean;
  /** u32 [bags + 1]; undefined: rows one by one, not bags. */
  readonly offsets: Uint32Array | undefined;
  readonly weights: Float32Array | undefined;
  /** Leave the division to the ranker. */
  readonly partial: boolean;
  /** Rows as stored, instead of what is pooled of them. */
  readonly fetch: boolean;
  /** Undefined: as the table says. */
  readonly missing: MissingPolicy | undefined;
}

/** What the header says of the whole. */
export interface SubrequestHead {
  readonly plan: bigint;
  readonly timeLeftUs: number;
  readonly replyCredits: number;
}

const missingPolicies: readonly MissingPolicy[] = ['error', 'skip', 'default'];

/** Bytes of a subrequest of these segments. */
export function subrequestBytes(segments: readonly OutgoingSegment[]): number {
  return segments.reduce((sum, segment) => sum + segmentBytes(segment), wire.HEADER_BYTES);
}

/** Bytes that one more segment adds. */
export function segmentBytes({ keys, offsets, weights }: OutgoingSegment): number {
  return wire.SEGMENT_BYTES + keys.byteLength + (offsets?.byteLength ?? 0) + (weights?.byteLength ?? 0);
}

/** Writes a subrequest of `bytes` bytes from word `at` of `words`; the transport puts in the id. */
export function writeSubrequest(
  words: Uint32Array,
  at: number,
  head: SubrequestHead,
  bytes: number,
  segments: readonly OutgoingSegment[],
): void {
  words.fill(0, at, at + (wire.HEADER_BYTES >>> 2));
  words[at] = wire.SUBREQUEST_MAGIC;
  words[at + (wire.FRAME_VERSION >>> 2)] = wire.wireVersion;
  words[at + (wire.FRAME_BYTES >>> 2)] = bytes;
  words[at + (wire.SUBREQUEST_PLAN >>> 2)] = Number(head.plan & 0xffffffffn);
  words[at + (wire.SUBREQUEST_PLAN >>> 2) + 1] = Number(head.plan >> 32n);
  words[at + (wire.SUBREQUEST_SEGMENTS >>> 2)] = segments.length;
  words[at + (wire.SUBREQUEST_TIME_LEFT_US >>> 2)] = head.timeLeftUs;
  words[at + (wire.SUBREQUEST_REPLY_CREDITS >>> 2)] = head.replyCredits;
  let entry = at + (wire.HEADER_BYTES >>> 2);
  let next = entry + segments.length * (wire.SEGMENT_BYTES >>> 2);
  for (const segment of segments) {
    const { keys, offsets, weights, wide } = segment;
    words[entry] = segment.shard;
    words[entry + 1] = segment.version;
    words[entry + 2] = (offsets === undefined ? 0 : offsets.length - 1) | (flagsOf(segment) << 24);
    words[entry + 3] = wide ? keys.length >>> 1 : keys.length;
    entry += wire.SEGMENT_BYTES >>> 2;
    words.set(keys, next);
    next += keys.length;
    if (offsets !== undefined) {
      words.set(offsets, next);
      next += offsets.length;
    }
    if (weights !== undefined) {
      words.set(new Uint32Array(weights.buffer, weights.byteOffset, weights.length), next);
      next += weights.length;
    }
  }
}

function flagsOf({ wide, weights, partial, fetch, missing }: OutgoingSegment): number {
  return (
    (wide ? wire.FLAG_WIDE : 0) |
    (weights === undefined ? 0 : wire.FLAG_WEIGHTED) |
    (partial ? wire.FLAG_PARTIAL : 0) |
    (fetch ? wire.FLAG_FETCH : 0) |
    (missing === undefined ? 0 : (missingPolicies.indexOf(missing) + 1) << wire.FLAG_MISSING_SHIFT)
  );
}

/** A segment as a node finds it; addresses are bytes from the start of the memory that `words` covers. */
export interface IncomingSegment {
  readonly shard: number;
  readonly version: number;
  readonly wide: boolean;
  readonly partial: boolean;
  readonly fetch: boolean;
  readonly missing: MissingPolicy | undefined;
  readonly bags: number;
  readonly keys: number;
  readonly keysAt: number;
  /** 0: rows one by one. */
  readonly offsetsAt: number;
  /** 0: no weights. */
  readonly weightsAt: number;
}

export interface Subrequest {
  /** Low and high word of the routing table's fingerprint. */
  readonly planLow: number;
  readonly planHigh: number;
  readonly timeLeftUs: number;
  readonly replyCredits: number;
  readonly keys: number;
  readonly segments: readonly IncomingSegment[];
}

/**
 * Reads the subrequest of `bytes` bytes at byte `address` (4-aligned). Whatever the bytes are, it reads nothing
 * outside them, and what it returns lies within them; keys and offsets are left to the kernels' own checks.
 */
export function readSubrequest(words: Uint32Array, address: number, bytes: number): Subrequest | WireError {
  const at = address >>> 2;
  if (words[at] !== wire.SUBREQUEST_MAGIC) return invalid(wire.FRAME_MAGIC, words[at]);
  const version = words[at + (wire.FRAME_VERSION >>> 2)];
  if (version < wire.wireVersionOldest || version > wire.wireVersion)
    return { code: 'UNSUPPORTED_VERSION', value: version };
  if (words[at + (wire.FRAME_BYTES >>> 2)] !== bytes)
    return invalid(wire.FRAME_BYTES, words[at + (wire.FRAME_BYTES >>> 2)]);
  for (let field = wire.SUBREQUEST_RESERVED; field < wire.HEADER_BYTES; field += 4)
    if (words[at + (field >>> 2)] !== 0) return invalid(field, words[at + (field >>> 2)]);
  const count = words[at + (wire.SUBREQUEST_SEGMENTS >>> 2)];
  if (count > subrequestSegmentsMax)
    return { code: 'LIMIT_EXCEEDED', position: count, value: subrequestSegmentsMax };
  const payload = wire.HEADER_BYTES + count * wire.SEGMENT_BYTES;
  if (payload > bytes) return invalid(wire.SUBREQUEST_SEGMENTS, count);
  const segments: IncomingSegment[] = [];
  const end = address + bytes;
  let next = address + payload;
  let keys = 0;
  for (let i = 0; i < count; i++) {
    const segment = readSegment(words, (address + wire.HEADER_BYTES + i * wire.SEGMENT_BYTES) >>> 2, next, i);
    if ('code' in segment) return segment;
    next = endOf(segment);
    if (next > end)
      return { code: 'INVALID_FRAME', segment: i, position: wire.SEGMENT_KEYS, value: segment.keys };
    if (segment.offsetsAt !== 0 && words[(segment.offsetsAt >>> 2) + segment.bags] !== segment.keys)
      return { code: 'INVALID_OFFSETS', segment: i, position: segment.bags };
    keys += segment.keys;
    segments.push(segment);
  }
  if (next !== end) return invalid(wire.FRAME_BYTES, bytes);
  if (keys > subrequestKeysMax) return { code: 'LIMIT_EXCEEDED', position: keys, value: subrequestKeysMax };
  return {
    planLow: words[at + (wire.SUBREQUEST_PLAN >>> 2)],
    planHigh: words[at + (wire.SUBREQUEST_PLAN >>> 2) + 1],
    timeLeftUs: words[at + (wire.SUBREQUEST_TIME_LEFT_US >>> 2)],
    replyCredits: words[at + (wire.SUBREQUEST_REPLY_CREDITS >>> 2)],
    keys,
    segments,
  };
}

function readSegment(
  words: Uint32Array,
  entry: number,
  begin: number,
  i: number,
): IncomingSegment | WireError {
  const bagsAndFlags = words[entry + (wire.SEGMENT_BAGS >>> 2)];
  const flags = bagsAndFlags >>> 24;
  const bags = bagsAndFlags & 0xffffff;
  const keys = words[entry + (wire.SEGMENT_KEYS >>> 2)];
  const wrong = {
    code: 'INVALID_FRAME',
    segment: i,
    position: wire.SEGMENT_BAGS,
    value: bagsAndFlags,
  } as const;
  const wide = (flags & wire.FLAG_WIDE) !== 0;
  const weighted = (flags & wire.FLAG_WEIGHTED) !== 0;
  const fetch = (flags & wire.FLAG_FETCH) !== 0;
  if (flags & ~wire.FLAGS_KNOWN || (fetch && (bags > 0 || weighted))) return wrong;
  if (bags > segmentBagsMax)
    return { code: 'LIMIT_EXCEEDED', segment: i, position: bags, value: segmentBagsMax };
  const keysAt = begin;
  const offsetsAt = keysAt + keys * (wide ? 8 : 4);
  const weightsAt = offsetsAt + (bags > 0 ? (bags + 1) * 4 : 0);
  return {
    shard: words[entry + (wire.SEGMENT_SHARD >>> 2)],
    version: words[entry + (wire.SEGMENT_VERSION >>> 2)],
    wide,
    partial: (flags & wire.FLAG_PARTIAL) !== 0,
    fetch,
    missing: missingPolicies[(flags >>> wire.FLAG_MISSING_SHIFT) - 1],
    bags,
    keys,
    keysAt,
    offsetsAt: bags > 0 ? offsetsAt : 0,
    weightsAt: weighted ? weightsAt : 0,
  };
}

/** Where a segment's part of the frame ends. */
function endOf({ bags, keys, wide, keysAt, weightsAt }: IncomingSegment): number {
  const pastOffsets = keysAt + keys * (wide ? 8 : 4) + (bags > 0 ? (bags + 1) * 4 : 0);
  return weightsAt === 0 ? pastOffsets : pastOffsets + keys * 4;
}

function invalid(field: number, value: number): WireError {
  return { code: 'INVALID_FRAME', position: field, value };
}
