/** Words of a record: what it is about, which one, and where in memory it has more. */
const recordWords = 4;
/** The counters are in cache lines of their own, because each is written by another thread. */
const takenAt = 0;
const givenAt = 16;
const recordsAt = 32;

/** What is done with a record. */
export type TakeRecord = (kind: number, id: number, address: number, bytes: number) => void;

/** A queue of records from one thread to another in shared memory. Neither ever waits for the other. */
export class Ring {
  readonly #words: Int32Array;
  readonly #records: number;
  /** Number of records that this thread has given, modulo 2^32. */
  #given = 0;

  /** @param records a power of 2 */
  static words(records: number): number {
    return recordsAt + records * recordWords;
  }

  /** @param words shared memory @param at first of `Ring.words(records)` words, which are 0 at the start */
  constructor(words: Int32Array, at: number, records: number) {
    this.#words = words.subarray(at, at + Ring.words(records));
    this.#records = records;
  }

  /** Whether no record can be given now. Only the thread that gives records may ask. */
  get isFull(): boolean {
    return ((this.#given - Atomics.load(this.#words, takenAt)) | 0) >= this.#records;
  }

  /** Gives a record. @returns false if the ring is full */
  give(kind: number, id: number, address: number, bytes: number): boolean {
    if (!this.prepare(kind, id, address, bytes)) return false;
    this.show();
    return true;
  }

  /** Writes a record, which the other thread does not see before `show`. @returns false if the ring is full */
  prepare(kind: number, id: number, address: number, bytes: number): boolean {
    if (this.isFull) return false;
    const at = recordsAt + (this.#given & (this.#records - 1)) * recordWords;
    this.#words[at] = kind;
    this.#words[at + 1] = id;
    this.#words[at + 2] = address;
    this.#words[at + 3] = bytes;
    this.#given = (this.#given + 1) | 0;
    return true;
  }

  /** Gives all records that were written. The other thread sees them once it sees the counter. */
  show(): void {
    Atomics.store(this.#words, givenAt, this.#given);
  }

  /** Whether there is a record to take. */
  get isEmpty(): boolean {
    return Atomics.load(this.#words, givenAt) === this.#words[takenAt];
  }

  /** Takes all records that there are now. @returns whether there were any */
  takeAll(take: TakeRecord): boolean {
    const words = this.#words;
    const given = Atomics.load(words, givenAt);
    let taken = words[takenAt];
    if (taken === given) return false;
    while (taken !== given) {
      const at = recordsAt + (taken & (this.#records - 1)) * recordWords;
      take(words[at], words[at + 1], words[at + 2] >>> 0, words[at + 3] >>> 0);
      taken = (taken + 1) | 0;
      // What a record refers to may be used again from now on.
      Atomics.store(words, takenAt, taken);
    }
    return true;
  }

  /** Number of records that were taken, modulo 2^32. */
  get taken(): number {
    return Atomics.load(this.#words, takenAt);
  }

  /** Number of records that this thread has given or written, modulo 2^32. */
  get given(): number {
    return this.#given;
  }
}
