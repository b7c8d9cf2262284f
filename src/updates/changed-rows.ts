import { FlexemrError } from '../errors.ts';
import { changedBytesMax, changedKeyBytes } from '../update-limits.ts';

/** Rows of one piece of memory. */
const pageRows = 1024;
/** In place of a slot: the key has no row any more. */
const gone = -1;

/** Memory for changed rows of all tables together. */
export class ChangedBytes {
  #bytes = 0;

  /** @throws LIMIT_EXCEEDED */
  take(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= changedBytesMax) return;
    const message = `more than ${changedBytesMax} bytes of rows have changed: begin with a later batch, with a newer snapshot, or with a new version of the tables`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'updates', value: changedBytesMax });
  }
}

/** The last row of each key of a table that has changed, or that it has none any more. In the order in which keys came. */
export class ChangedRows {
  readonly #dim: number;
  readonly #room: ChangedBytes;
  readonly #slots = new Map<bigint, number>();
  readonly #pages: Float32Array[] = [];
  readonly #free: number[] = [];
  #used = 0;

  constructor(dim: number, room: ChangedBytes) {
    this.#dim = dim;
    this.#room = room;
  }

  /** @throws LIMIT_EXCEEDED */
  set(key: bigint, row: Float32Array): void {
    const known = this.#slotOf(key);
    const slot = known === gone ? this.#newSlot() : known;
    this.#slots.set(key, slot);
    this.#view(slot).set(row);
  }

  /** @throws LIMIT_EXCEEDED */
  delete(key: bigint): void {
    const slot = this.#slotOf(key);
    if (slot !== gone) this.#free.push(slot);
    this.#slots.set(key, gone);
  }

  #slotOf(key: bigint): number {
    const slot = this.#slots.get(key);
    if (slot === undefined) this.#room.take(changedKeyBytes);
    return slot ?? gone;
  }

  #newSlot(): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot === this.#pages.length * pageRows) {
      this.#room.take(pageRows * this.#dim * 4);
      this.#pages.push(new Float32Array(pageRows * this.#dim));
    }
    return slot;
  }

  #view(slot: number): Float32Array {
    const first = (slot % pageRows) * this.#dim;
    return this.#pages[Math.floor(slot / pageRows)].subarray(first, first + this.#dim);
  }

  get size(): number {
    return this.#slots.size;
  }

  has(key: bigint): boolean {
    return this.#slots.has(key);
  }

  /** A view of the row of a key. Undefined: it has not changed, or has none any more. */
  get(key: bigint): Float32Array | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined || slot === gone ? undefined : this.#view(slot);
  }

  /** Keys that have a row. */
  *written(): Generator<bigint> {
    for (const [key, slot] of this.#slots) if (slot !== gone) yield key;
  }

  /** Keys that have none any more. */
  *deleted(): Generator<bigint> {
    for (const [key, slot] of this.#slots) if (slot === gone) yield key;
  }
}
