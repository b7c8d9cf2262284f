import { CHECKSUM_BLOCK_BYTES, CHECKSUM_BYTES } from '../kernel/layout.ts';
import { HEADER_BYTES } from '../wire/layout.ts';
import type { WorkerArena } from './worker-arena.ts';

/** The checksum of a frame in a worker's memory, taken a slice at a time. */
export class FrameChecksum {
  readonly #arena: WorkerArena;
  readonly #frame: number;
  readonly #end: number;
  #at: number;
  /** A part of it was added. */
  #begun = false;
  /** The sums, while other frames are looked at. */
  #sums: Uint32Array | undefined;

  /** @param bytes of the frame, its header included */
  constructor(arena: WorkerArena, frame: number, bytes: number) {
    this.#arena = arena;
    this.#frame = frame;
    this.#end = frame + bytes;
    this.#at = frame + HEADER_BYTES;
  }

  /** Goes on for `bytes` bytes, in whole blocks. @returns whether all but the header is done: then `end` must follow at once */
  add(bytes: number): boolean {
    const { kernels, checksum, words } = this.#arena;
    const count = Math.min(
      this.#end - this.#at,
      Math.ceil(bytes / CHECKSUM_BLOCK_BYTES) * CHECKSUM_BLOCK_BYTES,
    );
    // All of it at once, when its header is written.
    if (!this.#begun && this.#at + count === this.#end) return true;
    if (this.#sums === undefined) words.fill(0, checksum >>> 2, (checksum + CHECKSUM_BYTES) >>> 2);
    else words.set(this.#sums, checksum >>> 2);
    kernels.checksumAdd(checksum, this.#at, count);
    this.#begun = true;
    this.#at += count;
    if (this.#at === this.#end) return true;
    // Until the next slice the sums of other frames are taken in the same place.
    this.#sums = words.slice(checksum >>> 2, (checksum + CHECKSUM_BYTES) >>> 2);
    return false;
  }

  /** Adds the header, which is written last. @returns the checksum */
  end(): number {
    const { kernels, checksum } = this.#arena;
    if (this.#begun) return kernels.checksumEnd(checksum, this.#frame) >>> 0;
    return kernels.checksum(checksum, this.#frame, this.#end - this.#frame) >>> 0;
  }
}
