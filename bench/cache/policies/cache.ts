import type { Entries } from '../entries.ts';
import type { Admission, Eviction, Policy } from './policy.ts';

/** A cache that evicts in one order. If it is full, an admission says which entries are inserted. */
export class Cache implements Policy {
  readonly #bytes: Uint32Array;
  readonly #capacity: number;
  readonly #eviction: Eviction;
  readonly #admission: Admission | undefined;
  readonly #resident: Uint8Array;
  #used = 0;
  #inserts = 0;

  constructor({ bytes, count }: Entries, capacity: number, eviction: Eviction, admission?: Admission) {
    this.#bytes = bytes;
    this.#capacity = capacity;
    this.#eviction = eviction;
    this.#admission = admission;
    this.#resident = new Uint8Array(count);
  }

  get used(): number {
    return this.#used;
  }

  get written(): number {
    return this.#inserts + (this.#eviction.copies ?? 0);
  }

  has(id: number): boolean {
    return this.#resident[id] === 1;
  }

  access(id: number): boolean {
    this.#admission?.record?.(id);
    if (this.has(id)) {
      this.#eviction.hit(id);
      return true;
    }
    if (this.#makeRoom(id)) {
      this.#eviction.insert(id);
      this.#inserts++;
      this.#resident[id] = 1;
      this.#used += this.#bytes[id];
    }
    return false;
  }

  /** A large entry may lose against its second victim. The first one is gone then: a log cannot take it back. */
  #makeRoom(id: number): boolean {
    const room = this.#capacity - this.#bytes[id];
    if (room < 0) return false;
    if (this.#used > room && this.#admission?.admits?.(id) === false) return false;
    while (this.#used > room) {
      const victim = this.#eviction.victim();
      if (this.#admission?.prefers?.(id, victim) === false) return false;
      this.#eviction.remove(victim);
      this.#resident[victim] = 0;
      this.#used -= this.#bytes[victim];
    }
    return true;
  }
}
