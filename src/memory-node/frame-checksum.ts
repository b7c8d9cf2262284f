import { CHECKSUM_BLOCK_BYTES, CHECKSUM_BYTES } from '../kernel/layout.ts';
import { HEADER_BYTES } from '../wire/layout.ts';
import type { AnswerMemory } from './worker-arena.ts';

/** Computes the checksum of a frame in a worker's memory, one slice at a time. */
export class FrameChecksum {
  readonly #arena: AnswerMemory;
  readonly #frame: number;
  /** Address up to which the frame was added. */
  #at: number;
  #end = 0;
  /** The sums so far, kept here while the worker handles other frames. Undefined if nothing was added yet. */
  #sums: Uint32Array | undefined;

  constructor(arena: AnswerMemory, frame: number) {
    this.#arena = arena;
    this.#frame = frame;
    this.#at = frame + HEADER_BYTES;
  }

  /** Adds the whole blocks of a frame that is written up to address `written`, while they are still in the caches. */
  addWritten(written: number): void {
    const count = written - this.#at - ((written - this.#at) % CHECKSUM_BLOCK_BYTES);
    if (count > 0) this.#add(count);
  }

  /** Adds about `bytes` more bytes of a frame that ends at `end`. @returns whether `end()` can do the rest */
  finish(end: number, bytes: number): boolean {
    this.#end = end;
    const left = end - this.#at;
    // `end()` adds a short frame at once.
    if (this.#sums === undefined && left <= bytes) return true;
    const blocks = Math.ceil(bytes / CHECKSUM_BLOCK_BYTES) * CHECKSUM_BLOCK_BYTES;
    if (left > 0) this.#add(Math.min(left, blocks));
    return this.#at === end;
  }

  #add(count: number): void {
    const { kernels, checksum, words } = this.#arena;
    if (this.#sums === undefined) words.fill(0, checksum >>> 2, (checksum + CHECKSUM_BYTES) >>> 2);
    else words.set(this.#sums, checksum >>> 2);
    kernels.checksumAdd(checksum, this.#at, count);
    this.#at += count;
    // Other frames use the same memory for their sums.
    this.#sums = words.slice(checksum >>> 2, (checksum + CHECKSUM_BYTES) >>> 2);
  }

  /** Adds the header, which is written last. Call it after `finish` has returned true. @returns the checksum */
  end(): number {
    const { kernels, checksum, words } = this.#arena;
    if (this.#sums === undefined)
      return kernels.checksum(checksum, this.#frame, this.#end - this.#frame) >>> 0;
    words.set(this.#sums, checksum >>> 2);
    return kernels.checksumEnd(checksum, this.#frame) >>> 0;
  }
}
