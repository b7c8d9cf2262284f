import { mix32 } from '../../data.ts';
import type { Entries } from '../entries.ts';
import type { Admission } from './policy.ts';

const hashes = 2;
/** For each entry that has room in the cache. With two hashes, one of 30 new entries is taken for a known one at most. */
const bitsPerEntry = 8;
/** A generation ends after this many new entries for each entry that has room in the cache. */
const newPerEntry = 0.5;

/**
 * Admits an entry that was missed before, lately: most entries are never asked for again. What was missed is kept in two
 * Bloom filters. The older one is emptied when the newer one is full, and then becomes the newer one. A hit changes
 * neither. They take 2 to 4 bytes an entry, which are not part of the capacity.
 */
export class SecondMiss implements Admission {
  readonly #ofUser: Uint8Array | undefined;
  readonly #mask: number;
  readonly #newMax: number;
  #newer: Uint8Array;
  #older: Uint8Array;
  #new = 0;

  /** @param ofUser those with 1 are admitted at their first miss. Undefined: none is */
  constructor({ bytes, count }: Entries, capacity: number, ofUser?: Uint8Array) {
    this.#ofUser = ofUser;
    const mean = bytes.reduce((total, size) => total + size, 0) / count;
    const room = Math.max(16, capacity / mean);
    const bits = 2 ** Math.ceil(Math.log2(bitsPerEntry * room));
    // A byte each here, for simple code.
    this.#newer = new Uint8Array(bits);
    this.#older = new Uint8Array(bits);
    this.#mask = bits - 1;
    this.#newMax = Math.ceil(newPerEntry * room);
  }

  admits(candidate: number): boolean {
    if (this.#ofUser?.[candidate] === 1) return true;
    const known = this.#knows(this.#newer, candidate) || this.#knows(this.#older, candidate);
    if (!known) this.#add(candidate);
    return known;
  }

  #add(id: number): void {
    if (this.#new === this.#newMax) {
      [this.#newer, this.#older] = [this.#older.fill(0), this.#newer];
      this.#new = 0;
    }
    this.#new++;
    for (let i = 0; i < hashes; i++) this.#newer[this.#at(id, i)] = 1;
  }

  #knows(filter: Uint8Array, id: number): boolean {
    for (let i = 0; i < hashes; i++) if (filter[this.#at(id, i)] === 0) return false;
    return true;
  }

  #at(id: number, i: number): number {
    return mix32(id ^ Math.imul(i, 0x9e37_79b9)) & this.#mask;
  }
}
