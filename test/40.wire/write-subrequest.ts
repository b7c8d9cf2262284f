// Writes subrequests without a kernel, from fields that a test or a benchmark chooses.
import type { MissingPolicy } from '../../src/kernel/call.ts';
import { type FrameIdentity, writeIdentity } from '../../src/wire/frame-identity.ts';
import * as wire from '../../src/wire/layout.ts';

/** Keys of some bags in one shard, to be sent. */
export interface OutgoingSegment {
  /** Number of the shard in the routing table, and the version of its table. */
  readonly shard: number;
  readonly version: number;
  /** u32, or u64 as pairs of words. */
  readonly keys: Uint32Array;
  readonly wide: boolean;
  /** u32 [bags + 1]; undefined to fetch rows instead of pooled bags. */
  readonly offsets: Uint32Array | undefined;
  readonly weights: Float32Array | undefined;
  /** Whether the ranker divides instead of the node. */
  readonly partial: boolean;
  /** Whether the reply has rows as stored instead of pooled vectors. */
  readonly fetch: boolean;
  /** Undefined: the table's own policy. */
  readonly missing: MissingPolicy | undefined;
}

/** The fields of the header. */
export interface SubrequestHead extends FrameIdentity {
  readonly plan: bigint;
  readonly timeLeftUs: number;
  readonly replyCredits: number;
}

/** The policies, at their number in a segment's flags minus one. */
export const missingPolicies: readonly MissingPolicy[] = ['error', 'skip', 'default'];

/** Bytes of a subrequest with these segments. */
export function subrequestBytes(segments: readonly OutgoingSegment[]): number {
  return segments.reduce((sum, segment) => sum + segmentBytes(segment), wire.HEADER_BYTES);
}

/** Bytes that one more segment adds. */
export function segmentBytes({ keys, offsets, weights }: OutgoingSegment): number {
  return wire.SEGMENT_BYTES + keys.byteLength + (offsets?.byteLength ?? 0) + (weights?.byteLength ?? 0);
}

/** Writes a subrequest of `bytes` bytes at word `at` of `words`, without its checksum. */
export function writeSubrequest(
  words: Uint32Array,
  at: number,
  head: SubrequestHead,
  bytes: number,
  segments: readonly OutgoingSegment[],
): void {
  words.fill(0, at, at + (wire.HEADER_BYTES >>> 2));
  words[at] = wire.SUBREQUEST_MAGIC;
  writeIdentity(words, at, head);
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
    next = put(words, next, keys);
    if (offsets !== undefined) next = put(words, next, offsets);
    if (weights !== undefined) {
      words.set(new Uint32Array(weights.buffer, weights.byteOffset, weights.length), next);
      next += weights.length;
    }
  }
}

function put(words: Uint32Array, at: number, own: Uint32Array): number {
  words.set(own, at);
  return at + own.length;
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
