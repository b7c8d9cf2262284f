import { CHECKSUM_BLOCK_BYTES, CHECKSUM_BYTES } from '../kernel/layout.ts';
import { HEADER_BYTES } from '../wire/layout.ts';
import type { WorkerArena } from './worker-arena.ts';

/** The checksum of a frame in a worker's memory, taken a slice at a time. */
export class FrameChecksum {
  readonly #arena: WorkerArena;
  readonly #frame: number;
  /** Up to here it was added. */
  #at: number;
  #end = 0;
  /** The sums, while other frames are looked at; undefined: nothing was added yet. */
  #sums: Uint32Array | undefined;

  constructor(arena: WorkerArena, frame: number) {
    this.#arena = arena;
    this.#frame = frame;
    this.#at = frame + HEADER_BYTES;
  }

  /** Adds whole blocks of a frame that is written up to `written`: they are still in the caches. */
  addWritten(written: number): void {
    const count = written - this.#at - ((written - this.#at) % CHECKSUM_BLOCK_BYTES);
    if (count > 0) this.#add(count);
  }

  /** Goes on for `bytes` bytes of a frame that ends at `end`. @returns whether all but the header is done */
  finish(end: number, bytes: number): boolean {
    this.#end = end;
    const left = end - this.#at;
    // All of it at once, when its header is written.
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
    // The sums of other frames are taken in the same place.
    this.#sums = words.slice(checksum >>> 2, (checksum + CHECKSUM_BYTES) >>> 2);
  }

  /** Adds the header, which is written last, once `finish` is done. @returns the checksum */
  end(): number {
    const { kernels, checksum, words } = this.#arena;
    if (this.#sums === undefined)
      return kernels.checksum(checksum, this.#frame, this.#end - this.#frame) >>> 0;
    words.set(this.#sums, checksum >>> 2);
    return kernels.checksumEnd(checksum, this.#frame) >>> 0;
  }
}
