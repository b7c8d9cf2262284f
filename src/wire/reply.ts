// Replies: what a node answers. The node writes the header before results that lie there already; the ranker reads.
import { type ErrorCode, FlexemrError } from '../errors.ts';
import { type FrameIdentity, headerChecksum, identityAt, writeIdentity } from './frame-identity.ts';
import * as wire from './layout.ts';
import { codeOf, statusOf } from './status.ts';

/** What is wrong with a subrequest, and where: a field's byte in the frame, or a key, offset or weight of a segment. */
export interface WireError {
  readonly code: ErrorCode;
  readonly segment?: number;
  readonly position?: number;
  readonly value?: number | bigint;
  readonly retryAfterMs?: number;
}

/** Load of the worker, and credits: what every reply reports. */
export interface ReplyLoad {
  readonly requestCredits: number;
  readonly replyCredits: number;
  readonly queued: number;
  readonly busyUs: number;
}

/** Writes the header of a reply of `bytes` bytes from word `at`, but for its load and its checksum. */
export function writeReplyHeader(
  words: Uint32Array,
  at: number,
  identity: FrameIdentity,
  reply: { readonly bytes: number; readonly exceptions: number },
): void {
  words.fill(0, at, at + (wire.HEADER_BYTES >>> 2));
  words[at] = wire.REPLY_MAGIC;
  writeIdentity(words, at, identity);
  words[at + (wire.FRAME_BYTES >>> 2)] = reply.bytes;
  words[at + (wire.REPLY_EXCEPTIONS >>> 2)] = reply.exceptions;
}

/** Writes what a reply says of its worker into the header at word `at`. */
export function writeReplyLoad(words: Uint32Array, at: number, load: ReplyLoad): void {
  words[at + (wire.REPLY_REQUEST_CREDITS >>> 2)] = load.requestCredits;
  words[at + (wire.REPLY_REPLY_CREDITS >>> 2)] = load.replyCredits;
  words[at + (wire.REPLY_QUEUED >>> 2)] = load.queued;
  words[at + (wire.REPLY_BUSY_US >>> 2)] = load.busyUs;
}

/** A reply that is an error: the header alone. */
export function errorReply(identity: FrameIdentity, error: WireError, load: ReplyLoad): Uint8Array {
  const words = new Uint32Array(wire.HEADER_BYTES >>> 2);
  writeReplyHeader(words, 0, identity, { bytes: wire.HEADER_BYTES, exceptions: 0 });
  writeReplyLoad(words, 0, load);
  const value = BigInt.asUintN(64, BigInt(error.value ?? 0));
  words[wire.REPLY_STATUS >>> 2] = statusOf(error.code);
  words[wire.REPLY_RETRY_AFTER_MS >>> 2] = error.retryAfterMs ?? 0;
  words[wire.REPLY_ERROR_SEGMENT >>> 2] = error.segment ?? 0;
  words[wire.REPLY_ERROR_POSITION >>> 2] = error.position ?? 0;
  words[wire.REPLY_ERROR_VALUE >>> 2] = Number(value & 0xffffffffn);
  words[(wire.REPLY_ERROR_VALUE >>> 2) + 1] = Number(value >> 32n);
  if (identity.checksum) words[wire.FRAME_CHECKSUM >>> 2] = headerChecksum(words, 0);
  return new Uint8Array(words.buffer);
}

/** What a segment's part of a reply holds: shapes that ranker and node both know from the subrequest. */
export interface ReplyShape {
  /** Results: one a bag, or one a key. */
  readonly vectors: number;
  /** Bytes of one: dim × 4, or a row as stored. */
  readonly vectorBytes: number;
  /** Counts, u32 a vector: not of fetched rows. */
  readonly counts: boolean;
  readonly denominators: boolean;
}

/** Where the parts of a reply lie: bytes from its start, a multiple of 4. */
export interface ReplyPlaces {
  readonly values: readonly number[];
  readonly counts: readonly number[];
  readonly denominators: readonly number[];
  /** Where the exceptions begin, and the reply without them ends. */
  readonly end: number;
}

export function replyPlaces(shapes: readonly ReplyShape[]): ReplyPlaces {
  let next = wire.HEADER_BYTES;
  const place = (bytes: number): number => {
    const at = next;
    // Not by bits: a subrequest may ask for more than 2^32 bytes, and must then be refused for its size.
    next += Math.ceil(bytes / 4) * 4;
    return at;
  };
  const values = shapes.map(({ vectors, vectorBytes }) => place(vectors * vectorBytes));
  const counts = shapes.map(({ vectors, counts: counted }) => place(counted ? vectors * 4 : 0));
  const denominators = shapes.map(({ vectors, denominators: has }) => place(has ? vectors * 4 : 0));
  return { values, counts, denominators, end: next };
}

/** A reply as the ranker reads it, in memory of its own. */
export class Reply {
  readonly #words: Uint32Array;
  readonly bytes: Uint8Array;
  /** Lets go of its memory: views of it are no longer good. */
  readonly release: () => void;
  /** Results are views of it, so it cannot be released yet. */
  viewed = false;

  /** @param release lets go of the memory of `bytes` @throws INVALID_FRAME where these bytes are no whole reply */
  constructor(bytes: Uint8Array, release: () => void = () => {}) {
    const whole = bytes.length >= wire.HEADER_BYTES && bytes.length % 4 === 0 && bytes.byteOffset % 4 === 0;
    this.bytes = bytes;
    this.release = release;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, whole ? bytes.length >>> 2 : 0);
    if (
      whole &&
      this.#at(wire.FRAME_MAGIC) === wire.REPLY_MAGIC &&
      this.#at(wire.FRAME_BYTES) === bytes.length
    )
      return;
    throw invalidReply(`of ${bytes.length} bytes is no frame of a memory node`, bytes.length);
  }

  #at(field: number): number {
    return this.#words[field >>> 2];
  }

  /** Which subrequest it answers, and in which version of the wire. */
  get identity(): FrameIdentity {
    return identityAt(this.#words, 0);
  }

  /** HEADER_FLAG_*, and whatever else stands beside the version. */
  get flags(): number {
    return this.#at(wire.FRAME_VERSION) >>> 16;
  }

  /** What its header says of its checksum; nothing that was computed. */
  get checksum(): number {
    return this.#at(wire.FRAME_CHECKSUM);
  }

  /** What went wrong, if anything did. */
  get error(): WireError | undefined {
    const status = this.#at(wire.REPLY_STATUS);
    if (status === 0) return undefined;
    const high = BigInt(this.#at(wire.REPLY_ERROR_VALUE + 4));
    return {
      code: codeOf(status),
      segment: this.#at(wire.REPLY_ERROR_SEGMENT),
      position: this.#at(wire.REPLY_ERROR_POSITION),
      value: (high << 32n) | BigInt(this.#at(wire.REPLY_ERROR_VALUE)),
      retryAfterMs: this.#at(wire.REPLY_RETRY_AFTER_MS),
    };
  }

  get load(): ReplyLoad {
    return {
      requestCredits: this.#at(wire.REPLY_REQUEST_CREDITS),
      replyCredits: this.#at(wire.REPLY_REPLY_CREDITS),
      queued: this.#at(wire.REPLY_QUEUED),
      busyUs: this.#at(wire.REPLY_BUSY_US),
    };
  }

  /**
   * Checks that its length is that of what was asked for.
   * @param segments how many were asked for @param keys how many keys they had in all @throws INVALID_FRAME
   */
  checkLength({ end }: ReplyPlaces, segments: number, keys: number): void {
    const exceptions = this.#at(wire.REPLY_EXCEPTIONS);
    if (exceptions > keys)
      throw invalidReply(`names ${exceptions} keys as exceptions, of ${keys}`, exceptions);
    const sequences = this.flags & wire.HEADER_FLAG_SEQUENCES ? segments * wire.SEQUENCE_BYTES : 0;
    const wanted = end + sequences + exceptions * 4;
    if (wanted === this.bytes.length) return;
    throw invalidReply(`has ${this.bytes.length} bytes where ${wanted} were asked for`, this.bytes.length);
  }

  floats(at: number, length: number): Float32Array {
    return new Float32Array(this.bytes.buffer as ArrayBuffer, this.bytes.byteOffset + at, length);
  }

  counts(at: number, length: number): Uint32Array {
    return new Uint32Array(this.bytes.buffer as ArrayBuffer, this.bytes.byteOffset + at, length);
  }

  /** Whether some keys were not simply pooled. */
  get hasExceptions(): boolean {
    return this.#at(wire.REPLY_EXCEPTIONS) > 0;
  }

  /** Keys that were not simply pooled: position in the subrequest's keys | OUTCOME_* << 30. */
  get exceptions(): Uint32Array {
    return this.#words.subarray(this.#words.length - this.#at(wire.REPLY_EXCEPTIONS));
  }
}

/** The error of a reply that cannot be right. */
export function invalidReply(problem: string, value: unknown): FlexemrError {
  return new FlexemrError('INVALID_FRAME', `a reply ${problem}`, { field: 'reply', value });
}
