import type { BufferPool, PooledBytes } from '../store/buffer-pool.ts';

/** The results of a merge (kernel/result-layout.ts: RESULT_*), and memory for more. */
export interface MergedResults {
  readonly results: PooledBytes;
  readonly pool: BufferPool;
}

/** The memory of the results of one lookup. */
export class ResultMemory {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #pool: BufferPool;
  readonly #held: PooledBytes[];

  constructor({ results, pool }: MergedResults) {
    const { buffer, byteOffset, length } = results.bytes;
    this.bytes = results.bytes;
    this.words = new Uint32Array(buffer, byteOffset, length >>> 2);
    this.#pool = pool;
    this.#held = [results];
  }

  /** An array in the results. @param at its first byte */
  wordsAt(at: number, length: number): Uint32Array {
    return this.words.subarray(at >>> 2, (at >>> 2) + length);
  }

  /** Memory for `length` floats. */
  floats(length: number): Float32Array {
    const held = this.#pool.take(length * 4);
    this.#held.push(held);
    return new Float32Array(held.bytes.buffer, 0, length);
  }

  release(): void {
    for (const held of this.#held) held.release();
  }
}
