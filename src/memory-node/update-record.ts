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

  /** Allocates a record beside the rows of an arena, with number 0 of incarnation 0. Undefined: there is no space. */
  static allocate(arena: Pick<Arena, 'words' | 'longs' | 'rows'>): UpdateRecord | undefined {
    const address = arena.rows.allocate(layout.UPDATES_BYTES);
    if (address === undefined) return undefined;
    const record = new UpdateRecord(arena, address);
    record.serve({ incarnation: 0, number: 0n });
    return record;
  }

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

  /** Frees the memory of a record that was allocated. No kernel may know it any more. */
  free(arena: Pick<Arena, 'rows'>): void {
    arena.rows.free(this.address, layout.UPDATES_BYTES);
  }
}
