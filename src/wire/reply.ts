// Replies of a node. The node writes the header in front of results that are already in memory; the ranker reads both.
import { type ErrorCode, FlexemrError } from '../errors.ts';
import { loopWordsMax } from '../limits.ts';
import { type FrameIdentity, headerChecksum, identityAt, writeIdentity } from './frame-identity.ts';
import * as wire from './layout.ts';
import { codeOf, statusOf } from './status.ts';

/** An error in a subrequest and its place: the byte of a field, or a key, offset or weight of a segment. */
export interface WireError {
  readonly code: ErrorCode;
  readonly segment?: number;
  readonly position?: number;
  readonly value?: number | bigint;
  readonly retryAfterMs?: number;
}

/** Load of the worker and credits. Every reply has them. */
export interface ReplyLoad {
  readonly requestCredits: number;
  readonly replyCredits: number;
  readonly queued: number;
  readonly busyUs: number;
}

/** Writes the header of a reply of `bytes` bytes at word `at`, without its load and its checksum. */
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

/** Writes the load of the worker into the header at word `at`. */
export function writeReplyLoad(words: Uint32Array, at: number, load: ReplyLoad): void {
  words[at + (wire.REPLY_REQUEST_CREDITS >>> 2)] = load.requestCredits;
  words[at + (wire.REPLY_REPLY_CREDITS >>> 2)] = load.replyCredits;
  words[at + (wire.REPLY_QUEUED >>> 2)] = load.queued;
  words[at + (wire.REPLY_BUSY_US >>> 2)] = load.busyUs;
}

/** A reply with an error: only a header. */
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

/** A reply that a ranker has received, in its own memory. */
export class Reply {
  readonly #words: Uint32Array;
  readonly bytes: Uint8Array;
  /** Frees its memory. Views of it must not be used any more. */
  readonly release: () => void;
  /** Whether results are views of it, so that it cannot be released yet. */
  viewed = false;

  /** @param release frees the memory of `bytes` @throws INVALID_FRAME if the bytes are not a whole reply */
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
    throw invalidReply(`of ${bytes.length} bytes is not a frame of a memory node`, bytes.length);
  }

  #at(field: number): number {
    return this.#words[field >>> 2];
  }

  /** The id of its subrequest, and the version of the wire format. */
  get identity(): FrameIdentity {
    return identityAt(this.#words, 0);
  }

  /** HEADER_FLAG_* and the unused bits beside the version. */
  get flags(): number {
    return this.#at(wire.FRAME_VERSION) >>> 16;
  }

  /** The checksum in its header. It is not computed here. */
  get checksum(): number {
    return this.#at(wire.FRAME_CHECKSUM);
  }

  /** The error, if there is one. */
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

  /** Number of subrequests that this session may have in flight. */
  get requestCredits(): number {
    return this.#at(wire.REPLY_REQUEST_CREDITS);
  }

  /** Microseconds that its worker has worked for it. */
  get busyUs(): number {
    return this.#at(wire.REPLY_BUSY_US);
  }

  get load(): ReplyLoad {
    return {
      requestCredits: this.requestCredits,
      replyCredits: this.#at(wire.REPLY_REPLY_CREDITS),
      queued: this.#at(wire.REPLY_QUEUED),
      busyUs: this.busyUs,
    };
  }

  /**
   * Checks that the reply has the length that its subrequest implies.
   * @param bytes without sequences and exceptions @param segments number of segments of the subrequest
   * @param keys number of all their keys @throws INVALID_FRAME
   */
  checkLength(bytes: number, segments: number, keys: number): void {
    const exceptions = this.exceptionCount;
    if (exceptions > keys)
      throw invalidReply(`has ${exceptions} keys as exceptions, but its subrequest has ${keys}`, exceptions);
    const sequences = this.hasSequences ? segments * wire.SEQUENCE_BYTES : 0;
    const wanted = bytes + sequences + exceptions * 4;
    if (wanted === this.bytes.length) return;
    throw invalidReply(`has ${this.bytes.length} bytes, but it should have ${wanted}`, this.bytes.length);
  }

  /** Copies bytes `from` to `end` to memory. A loop copies a few words faster than `set` does. */
  copyPart(
    from: number,
    end: number,
    to: { readonly words: Uint32Array; readonly bytes: Uint8Array },
    address: number,
  ): void {
    const first = from >>> 2;
    const count = (end - from) >>> 2;
    if (count > loopWordsMax) to.bytes.set(this.bytes.subarray(from, end), address);
    else for (let i = 0, at = address >>> 2; i < count; i++) to.words[at + i] = this.#words[first + i];
  }

  /** Whether it says which row updates its segments have. */
  get hasSequences(): boolean {
    return (this.flags & wire.HEADER_FLAG_SEQUENCES) !== 0;
  }

  /** The words of the sequence at byte `at`: incarnation, low and high word of the number. */
  sequenceAt(at: number): Uint32Array {
    return this.#words.subarray(at >>> 2, (at + wire.SEQUENCE_BYTES) >>> 2);
  }

  floats(at: number, length: number): Float32Array {
    return new Float32Array(this.bytes.buffer as ArrayBuffer, this.bytes.byteOffset + at, length);
  }

  counts(at: number, length: number): Uint32Array {
    return new Uint32Array(this.bytes.buffer as ArrayBuffer, this.bytes.byteOffset + at, length);
  }

  /** Number of keys that were padded, missing or defaulted. */
  get exceptionCount(): number {
    return this.#at(wire.REPLY_EXCEPTIONS);
  }

  /** Keys that were padded, missing or defaulted: position in the subrequest's keys | OUTCOME_* << 30. */
  get exceptions(): Uint32Array {
    return this.#words.subarray(this.#words.length - this.exceptionCount);
  }
}

/** The error for an invalid reply. */
export function invalidReply(problem: string, value: unknown): FlexemrError {
  return new FlexemrError('INVALID_FRAME', `a reply ${problem}`, { field: 'reply', value });
}
