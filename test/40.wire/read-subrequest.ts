// Reads subrequests in plain TypeScript. The node's kernel must give the same.
import type { MissingPolicy } from '../../src/kernel/call.ts';
import { segmentBagsMax, subrequestKeysMax, subrequestSegmentsMax } from '../../src/limits.ts';
import * as wire from '../../src/wire/layout.ts';
import type { WireError } from '../../src/wire/reply.ts';
import { missingPolicies } from './write-subrequest.ts';

/** A segment of a subrequest. Addresses are in bytes from the start of `words`. */
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
  /** 0 if the rows are not pooled. */
  readonly offsetsAt: number;
  /** 0 if there are no weights. */
  readonly weightsAt: number;
}

export interface Subrequest {
  /** The low word of the routing table's fingerprint; `planHigh` is the high word. */
  readonly planLow: number;
  readonly planHigh: number;
  readonly timeLeftUs: number;
  readonly replyCredits: number;
  readonly keys: number;
  readonly segments: readonly IncomingSegment[];
}

/**
 * Reads the subrequest of `bytes` bytes at byte `address` (4-aligned). For any bytes, it reads nothing outside of
 * them, and all returned addresses are inside. The pooling kernels check keys and offsets.
 */
export function readSubrequest(words: Uint32Array, address: number, bytes: number): Subrequest | WireError {
  const at = address >>> 2;
  if (words[at] !== wire.SUBREQUEST_MAGIC) return invalid(wire.FRAME_MAGIC, words[at]);
  const versionAndFlags = words[at + (wire.FRAME_VERSION >>> 2)];
  const version = versionAndFlags & 0xffff;
  if (version < wire.wireVersionOldest || version > wire.wireVersion)
    return { code: 'UNSUPPORTED_VERSION', value: version };
  if (words[at + (wire.FRAME_BYTES >>> 2)] !== bytes)
    return invalid(wire.FRAME_BYTES, words[at + (wire.FRAME_BYTES >>> 2)]);
  const reserved = reservedField(words, at);
  if (reserved !== undefined) return invalid(reserved, words[at + (reserved >>> 2)]);
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

/** The row updates that the answer of a segment has. */
export interface Sequence {
  readonly incarnation: number;
  readonly number: bigint;
}

/** The sequences of a reply, by segment; undefined if it has none. Its length must be right. */
export function readSequences(reply: Uint8Array, segments: number): Sequence[] | undefined {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  if ((view.getUint8(wire.FRAME_FLAGS) & wire.HEADER_FLAG_SEQUENCES) === 0) return undefined;
  const exceptions = view.getUint32(wire.REPLY_EXCEPTIONS, true);
  const first = reply.length - exceptions * 4 - segments * wire.SEQUENCE_BYTES;
  return Array.from({ length: segments }, (_, i) => {
    const at = first + i * wire.SEQUENCE_BYTES;
    return { incarnation: view.getUint32(at, true), number: view.getBigUint64(at + 4, true) };
  });
}

/** The address where a segment's part of the frame ends. */
function endOf({ bags, keys, wide, keysAt, weightsAt }: IncomingSegment): number {
  const pastOffsets = keysAt + keys * (wide ? 8 : 4) + (bags > 0 ? (bags + 1) * 4 : 0);
  return weightsAt === 0 ? pastOffsets : pastOffsets + keys * 4;
}

function invalid(field: number, value: number): WireError {
  return { code: 'INVALID_FRAME', position: field, value };
}

/** The first field that is not 0 although its version reserves it. */
function reservedField(words: Uint32Array, at: number): number | undefined {
  const versionAndFlags = words[at + (wire.FRAME_VERSION >>> 2)];
  if ((versionAndFlags & 0xffff) > 1) {
    const flags = (versionAndFlags >>> 16) & 0xff;
    if ((flags & ~wire.HEADER_FLAG_CHECKSUM) !== 0) return wire.FRAME_VERSION;
    return flags === 0 && words[at + (wire.FRAME_CHECKSUM >>> 2)] !== 0 ? wire.FRAME_CHECKSUM : undefined;
  }
  if (versionAndFlags !== 1) return wire.FRAME_VERSION;
  const fields = Array.from({ length: (wire.HEADER_BYTES - wire.SUBREQUEST_TRACE_ID) / 4 }, (_, i) => i * 4);
  return fields
    .map((field) => wire.SUBREQUEST_TRACE_ID + field)
    .find((field) => words[at + (field >>> 2)] !== 0);
}
