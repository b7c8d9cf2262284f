import { UPDATES_DIGEST, UPDATES_SEQUENCE } from '../kernel/answer-layout.ts';
import type { ChainEnd } from '../updates/batch.ts';
import { UpdateRecord } from './update-record.ts';
import type { WriterArena } from './writer-arena.ts';

/**
 * The update record of a shard as the thread that writes rows uses it. It is in the memory of the rows, so that another thread can go
 * on if this one dies. A thread that died while it wrote leaves a record that is reloading.
 */
export class FollowedPlace {
  readonly #record: UpdateRecord;
  readonly #longs: BigUint64Array;
  readonly #doubles: Float64Array;
  readonly #address: number;

  constructor(arena: Pick<WriterArena, 'words' | 'longs'>, address: number) {
    this.#record = new UpdateRecord(arena, address);
    this.#longs = arena.longs;
    this.#doubles = new Float64Array(arena.longs.buffer);
    this.#address = address;
  }

  get isReloading(): boolean {
    return this.#record.isReloading;
  }

  get followedTo(): ChainEnd {
    const digest = this.#longs[(this.#address + UPDATES_DIGEST) >>> 3];
    const sequence = this.#doubles[(this.#address + UPDATES_SEQUENCE) >>> 3];
    return { position: { ...this.#record.updatedTo, digest }, sequence };
  }

  /** Call it and the following one only while no worker reads rows. Nothing is answered until `serve`. */
  reload(): void {
    this.#record.reload();
  }

  /** The rows have everything up to a batch. */
  serve({ position, sequence }: ChainEnd): void {
    this.#longs[(this.#address + UPDATES_DIGEST) >>> 3] = position.digest;
    this.#doubles[(this.#address + UPDATES_SEQUENCE) >>> 3] = sequence;
    this.#record.serve(position);
  }
}
