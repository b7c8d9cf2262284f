import { mix32 } from '../../data.ts';
import type { Entries } from '../entries.ts';
import type { Admission } from './policy.ts';

const hashes = 4;
const counterMax = 15;
/** All counters are halved after this many uses for each entry that has room in the cache. */
const usesPerEntry = 10;

/**
 * TinyLFU: a candidate is admitted only if its recent uses, times the reply bytes that one of them saves, divided by the
 * bytes of cache that it takes, are more than those of the victim. Uses are counted in a count-min sketch with counters of
 * four bits. It takes 4 to 8 bytes an entry, which are not part of the capacity.
 */
export class TinyLfu implements Admission {
  readonly #entries: Entries;
  readonly #counters: Uint8Array;
  readonly #mask: number;
  readonly #agesAfter: number;
  #uses = 0;

  constructor(entries: Entries, capacity: number) {
    this.#entries = entries;
    const mean = entries.bytes.reduce((total, bytes) => total + bytes, 0) / entries.count;
    const room = Math.max(16, capacity / mean);
    const width = 2 ** Math.ceil(Math.log2(2 * room));
    // A byte each here, for simple code.
    this.#counters = new Uint8Array(hashes * width);
    this.#mask = width - 1;
    this.#agesAfter = Math.ceil(usesPerEntry * room);
  }

  /** Only the smallest of its counters grow, so that others' uses are counted less often. */
  record(id: number): void {
    const uses = this.usesOf(id);
    if (uses < counterMax)
      for (let i = 0; i < hashes; i++) {
        const at = this.#at(id, i);
        if (this.#counters[at] === uses) this.#counters[at]++;
      }
    if (++this.#uses >= this.#agesAfter) this.#age();
  }

  usesOf(id: number): number {
    let least = counterMax;
    for (let i = 0; i < hashes; i++) least = Math.min(least, this.#counters[this.#at(id, i)]);
    return least;
  }

  prefers(candidate: number, victim: number): boolean {
    return this.#worth(candidate) > this.#worth(victim);
  }

  #worth(id: number): number {
    return (this.usesOf(id) * this.#entries.saved[id]) / this.#entries.bytes[id];
  }

  #at(id: number, i: number): number {
    return i * (this.#mask + 1) + (mix32(id ^ Math.imul(i, 0x9e37_79b9)) & this.#mask);
  }

  #age(): void {
    for (let i = 0; i < this.#counters.length; i++) this.#counters[i] >>= 1;
    this.#uses >>= 1;
  }
}
