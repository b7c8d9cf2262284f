import { FRAME_BYTES, FRAME_ID, FRAME_MAGIC, HEADER_BYTES, REPLY_MAGIC } from '../wire/layout.ts';
import type { ReplyPool } from './reply-pool.ts';
import type { Received } from './transport.ts';

/** Reads above this go straight to the frame's own memory. */
const directBytesMin = 65_536;
/** What one read may bring of a large frame: bounds the time a turn of the event loop takes. */
const directBytesMax = 524_288;

/**
 * Takes a stream of replies apart, whatever pieces it comes in. Small ones are copied out of a fixed buffer; the
 * bulk of large ones is read to where it stays.
 */
export class FrameReader {
  readonly #fixed: Uint8Array;
  readonly #replies: ReplyPool;
  readonly #bytesMax: (id: number) => number;
  readonly #onFrame: (id: number, reply: Received) => void;
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  #reply: Received | undefined;
  #frame: Uint8Array | undefined;
  #id = 0;
  #filled = 0;
  #frames = 0;
  #direct = false;

  /**
   * @param fixed the buffer that reads go to
   * @param bytesMax no right reply of this id is longer; 0 where none was asked for
   */
  constructor(
    fixed: Uint8Array,
    replies: ReplyPool,
    bytesMax: (id: number) => number,
    onFrame: (id: number, reply: Received) => void,
  ) {
    this.#fixed = fixed;
    this.#replies = replies;
    this.#bytesMax = bytesMax;
    this.#onFrame = onFrame;
  }

  /** Frames that have come whole. */
  get frames(): number {
    return this.#frames;
  }

  /** Bytes of the frame that has begun; undefined where none has. */
  get begun(): number | undefined {
    if (this.#reply !== undefined) return this.#filled;
    return this.#headerFilled > 0 ? this.#headerFilled : undefined;
  }

  /** Where the next read goes; undefined: where the last one went. */
  next(): Uint8Array | undefined {
    const left = this.#frame === undefined ? 0 : this.#frame.length - this.#filled;
    if (this.#frame !== undefined && left >= directBytesMin) {
      this.#direct = true;
      return this.#frame.subarray(this.#filled, this.#filled + Math.min(left, directBytesMax));
    }
    if (!this.#direct) return undefined;
    this.#direct = false;
    return this.#fixed;
  }

  /** `bytes` bytes have been read to where `next` said. @returns false where they are no frames */
  read(bytes: number): boolean {
    if (!this.#direct) return this.take(this.#fixed.subarray(0, bytes));
    this.#filled += bytes;
    this.#finish();
    return true;
  }

  /** Bytes that lie elsewhere. @returns false where they are no frames */
  take(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#frame === undefined) {
        at += this.#takeHeader(chunk, at);
        if (this.#headerFilled < HEADER_BYTES) return true;
        if (!this.#begin()) return false;
      }
      at += this.#takeBody(chunk, at);
    }
    return true;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const count = Math.min(HEADER_BYTES - this.#headerFilled, chunk.length - at);
    this.#header.set(chunk.subarray(at, at + count), this.#headerFilled);
    this.#headerFilled += count;
    return count;
  }

  #begin(): boolean {
    const bytes = this.#header.readUInt32LE(FRAME_BYTES);
    if (this.#header.readUInt32LE(FRAME_MAGIC) !== REPLY_MAGIC) return false;
    this.#id = this.#header.readUInt32LE(FRAME_ID);
    if (bytes < HEADER_BYTES || bytes > this.#bytesMax(this.#id)) return false;
    this.#reply = this.#replies.take(bytes);
    this.#frame = this.#reply.bytes;
    this.#frame.set(this.#header);
    this.#filled = HEADER_BYTES;
    this.#headerFilled = 0;
    this.#finish();
    return true;
  }

  #takeBody(chunk: Uint8Array, at: number): number {
    if (this.#frame === undefined) return 0;
    const count = Math.min(this.#frame.length - this.#filled, chunk.length - at);
    this.#frame.set(
      at === 0 && count === chunk.length ? chunk : chunk.subarray(at, at + count),
      this.#filled,
    );
    this.#filled += count;
    this.#finish();
    return count;
  }

  #finish(): void {
    const reply = this.#reply;
    if (reply === undefined || this.#filled < reply.bytes.length) return;
    this.#reply = undefined;
    this.#frame = undefined;
    this.#frames++;
    this.#onFrame(this.#id, reply);
  }
}
