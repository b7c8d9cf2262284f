import type { Entries } from '../entries.ts';
import type { Eviction } from './policy.ts';
import { Queue } from './queue.ts';

/**
 * SIEVE (NSDI 2024): a hand goes from the tail to the head, and evicts what was not hit since it last came by. Entries
 * stay where they are, so entries in the middle are evicted.
 */
export class Sieve implements Eviction {
  readonly #queue: Queue;
  readonly #wasHit: Uint8Array;
  /** −1: it begins at the tail. */
  #hand = -1;

  constructor({ count }: Entries) {
    this.#queue = new Queue(count);
    this.#wasHit = new Uint8Array(count);
  }

  insert(id: number): void {
    this.#wasHit[id] = 0;
    this.#queue.push(id);
  }

  hit(id: number): void {
    this.#wasHit[id] = 1;
  }

  victim(): number {
    let id = this.#hand < 0 ? this.#queue.tail : this.#hand;
    while (this.#wasHit[id] === 1) {
      this.#wasHit[id] = 0;
      const newer = this.#queue.newer(id);
      id = newer < 0 ? this.#queue.tail : newer;
    }
    this.#hand = id;
    return id;
  }

  remove(id: number): void {
    if (id === this.#hand) this.#hand = this.#queue.newer(id);
    this.#queue.remove(id);
  }
}
