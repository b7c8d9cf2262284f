import { BUCKET_KEYS, INDEX_BUCKETS } from '../kernel/layout.ts';
import { batchRowsMax } from '../update-limits.ts';
import type { WriterArena } from './writer-arena.ts';
import type { KeptRows, WriterGate } from './writer-gate.ts';

/** Rows that ids have given back, and the answers that may still read them. */
interface Returned {
  readonly rows: readonly number[];
  readonly kept: KeptRows;
}

/** The rows of an indexed shard that no id has. */
export class SpareRows {
  readonly #gate: WriterGate;
  readonly #free: number[] = [];
  #returned: Returned[] = [];

  /**
   * Finds the rows that the index does not name. Answers in progress may know any of them, from before this thread.
   * @param rows of the shard
   */
  constructor(arena: WriterArena, index: number, rows: number, gate: WriterGate) {
    this.#gate = gate;
    const used = new Uint8Array(rows);
    const buckets = arena.words[(index + INDEX_BUCKETS) >>> 2];
    const step = Math.floor(batchRowsMax / BUCKET_KEYS);
    for (let first = 0; first < buckets; first += step) {
      const count = arena.kernels.indexEntries(index, first, first + step, arena.keys, arena.slots);
      const at = arena.slots >>> 2;
      // The padding id has a slot that is not the number of a row.
      for (const slot of arena.words.subarray(at, at + count)) if (slot < rows) used[slot] = 1;
    }
    const free: number[] = [];
    for (let row = rows - 1; row >= 0; row--) if (used[row] === 0) free.push(row);
    this.giveBack(free, gate.kept);
  }

  /** How many there are, with those that may not be used yet. */
  get count(): number {
    return this.#returned.reduce((sum, { rows }) => sum + rows.length, this.#free.length);
  }

  /** Rows for new ids. @returns undefined if answers in progress may still read some of them */
  take(count: number): number[] | undefined {
    this.#returned = this.#returned.filter(({ rows, kept }) => {
      if (!this.#gate.isForgotten(kept)) return true;
      this.putBack(rows);
      return false;
    });
    return count > this.#free.length ? undefined : this.#free.splice(this.#free.length - count);
  }

  /** Rows that were taken, but not used. */
  putBack(rows: readonly number[]): void {
    // There may be too many for the arguments of one call.
    for (const row of rows) this.#free.push(row);
  }

  /** Rows that no id has any more. @param kept answers that may know them */
  giveBack(rows: readonly number[], kept: KeptRows): void {
    if (rows.length > 0) this.#returned.push({ rows, kept });
  }
}
