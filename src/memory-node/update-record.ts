import * as layout from '../kernel/answer-layout.ts';
import type { Arena } from '../store/arena.ts';

/** In place of the address of a record: the table of a shard takes no updates. */
export const noUpdates = 0;

/** Which row updates the rows of a shard have. Numbers of different incarnations cannot be compared. */
export interface UpdatedTo {
  /** Incarnation of the stream of updates, a u32. 0: the rows have no place in a stream yet. */
  readonly incarnation: number;
  /** Number of the last batch of this stream that the rows have, a u64. */
  readonly number: bigint;
}

/**
 * The update record of a shard, in the memory of its rows. Kernels read it. The thread that applies updates writes it, and only
 * while no worker is inside a kernel call: kernels read it without atomics.
 */
export class UpdateRecord {
  readonly address: number;
  readonly #words: Uint32Array;
  readonly #longs: BigUint64Array;

  /** A record that is there. @param address of UPDATES_BYTES, 64-aligned */
  constructor({ words, longs }: Pick<Arena, 'words' | 'longs'>, address: number) {
    this.address = address;
    this.#words = words;
    this.#longs = longs;
  }

  get updatedTo(): UpdatedTo {
    return {
      incarnation: this.#words[(this.address + layout.UPDATES_INCARNATION) >>> 2],
      number: this.#longs[(this.address + layout.UPDATES_NUMBER) >>> 3],
    };
  }

  /** Whether the rows are being replaced, so that nothing of them is answered. */
  get isReloading(): boolean {
    return this.#words[(this.address + layout.UPDATES_STATE) >>> 2] !== layout.UPDATES_SERVING;
  }

  /** From now on the rows are answered, and have these updates. */
  serve({ incarnation, number }: UpdatedTo): void {
    this.#longs[(this.address + layout.UPDATES_NUMBER) >>> 3] = number;
    this.#words[(this.address + layout.UPDATES_INCARNATION) >>> 2] = incarnation;
    this.#words[(this.address + layout.UPDATES_STATE) >>> 2] = layout.UPDATES_SERVING;
  }

  /** From now on nothing of the rows is answered, until `serve`. Rows that were replaced have another incarnation. */
  reload(): void {
    this.#words[(this.address + layout.UPDATES_STATE) >>> 2] = layout.UPDATES_RELOADING;
  }
}
