import type { BufferPool } from '../store/buffer-pool.ts';
import { FRAME_BYTES, FRAME_ID, FRAME_MAGIC, HEADER_BYTES, REPLY_MAGIC } from '../wire/layout.ts';
import { type Received, unpooled } from './transport.ts';

const nothing = new Uint8Array();

/** If at least this many bytes of a frame are missing, the next read goes directly to the frame's own memory. */
const directBytesMin = 65_536;
/** Bytes that one read may return of a large frame. This limits how long a turn of the event loop takes. */
const directBytesMax = 524_288;

/**
 * Splits a stream into replies, in whatever pieces the stream arrives. Small replies are copied out of a fixed buffer.
 * Most of a large reply is read directly into its own memory.
 */
export class FrameReader {
  readonly #fixed: Uint8Array;
  readonly #replies: BufferPool;
  readonly #bytesMax: (id: number) => number;
  readonly #isWanted: (id: number) => boolean;
  readonly #onFrame: (id: number, reply: Received) => void;
  readonly #header: Uint8Array = new Uint8Array(HEADER_BYTES);
  #headerFilled = 0;
  #reply: Received | undefined;
  #frame: Uint8Array | undefined;
  #id = 0;
  #filled = 0;
  /** Bytes of a reply that nobody waits for: of all of it, if one has begun. */
  #unwanted = 0;
  #frames = 0;
  #direct = false;

  /**
   * @param fixed the buffer for reads
   * @param bytesMax returns the length of the longest valid reply with this id, or 0 if no reply is expected
   * @param isWanted says whether somebody waits for it; if not, it takes no memory
   */
  constructor(
    fixed: Uint8Array,
    replies: BufferPool,
    bytesMax: (id: number) => number,
    isWanted: (id: number) => boolean,
    onFrame: (id: number, reply: Received) => void,
  ) {
    this.#fixed = fixed;
    this.#replies = replies;
    this.#bytesMax = bytesMax;
    this.#isWanted = isWanted;
    this.#onFrame = onFrame;
  }

  /** Number of complete frames received. */
  get frames(): number {
    return this.#frames;
  }

  /** Bytes received of the frame that has begun. Undefined if none has begun. */
  get begun(): number | undefined {
    if (this.#reply !== undefined || this.#unwanted > 0) return this.#filled;
    return this.#headerFilled > 0 ? this.#headerFilled : undefined;
  }

  /** The buffer for the next read. Undefined means the same buffer as for the last read. */
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

  /** `bytes` bytes were read into the buffer that `next` returned. @returns false if they are not frames */
  read(bytes: number): boolean {
    if (!this.#direct) return this.take(this.#fixed.subarray(0, bytes));
    this.#filled += bytes;
    this.#finish();
    return true;
  }

  /** Takes bytes from another buffer. @returns false if they are not frames */
  take(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#unwanted > 0) at += this.#drop(chunk.length - at);
      else if (this.#frame !== undefined) at += this.#takeBody(chunk, at);
      else if (this.#headerFilled === 0 && chunk.length - at >= HEADER_BYTES) {
        // Most headers arrive whole, and are copied with the rest of their frame.
        if (!this.#begin(chunk, at)) return false;
      } else {
        at += this.#takeHeader(chunk, at);
        if (this.#headerFilled < HEADER_BYTES) return true;
        this.#headerFilled = 0;
        if (!this.#begin(this.#header, 0)) return false;
        if (this.#unwanted > 0) this.#drop(HEADER_BYTES);
        else this.#takeBody(this.#header, 0);
      }
    }
    return true;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const count = Math.min(HEADER_BYTES - this.#headerFilled, chunk.length - at);
    this.#header.set(chunk.subarray(at, at + count), this.#headerFilled);
    this.#headerFilled += count;
    return count;
  }

  /** Reserves memory for the frame whose header is at byte `at`. @returns false if it is not a frame */
  #begin(from: Uint8Array, at: number): boolean {
    const bytes = wordAt(from, at + FRAME_BYTES);
    if (wordAt(from, at + FRAME_MAGIC) !== REPLY_MAGIC) return false;
    this.#id = wordAt(from, at + FRAME_ID);
    if (bytes < HEADER_BYTES || bytes > this.#bytesMax(this.#id)) return false;
    this.#filled = 0;
    this.#unwanted = this.#isWanted(this.#id) ? 0 : bytes;
    if (this.#unwanted > 0) return true;
    this.#reply = this.#replies.take(bytes);
    this.#frame = this.#reply.bytes;
    return true;
  }

  #drop(bytes: number): number {
    const count = Math.min(this.#unwanted - this.#filled, bytes);
    this.#filled += count;
    if (this.#filled < this.#unwanted) return count;
    this.#unwanted = 0;
    this.#frames++;
    this.#onFrame(this.#id, unpooled(nothing));
    return count;
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

/** A u32, little-endian, at any address. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
