import type { Entries } from '../entries.ts';
import type { Eviction } from './policy.ts';
import { Queue } from './queue.ts';

/**
 * First in, first out, with more chances: what was hit goes to the head once more. This is a circular log that copies an
 * entry from its tail to its head.
 */
export class Clock implements Eviction {
  readonly #queue: Queue;
  readonly #chances: Uint8Array;
  readonly #most: number;
  #copies = 0;

  /** @param most chances that an entry can have: 1 takes one bit of an entry, 3 take two */
  constructor({ count }: Entries, most: number) {
    this.#queue = new Queue(count);
    this.#chances = new Uint8Array(count);
    this.#most = most;
  }

  get copies(): number {
    return this.#copies;
  }

  insert(id: number): void {
    this.#chances[id] = 0;
    this.#queue.push(id);
  }

  hit(id: number): void {
    if (this.#chances[id] < this.#most) this.#chances[id]++;
  }

  victim(): number {
    for (;;) {
      const id = this.#queue.tail;
      if (this.#chances[id] === 0) return id;
      this.#chances[id]--;
      this.#copies++;
      this.#queue.remove(id);
      this.#queue.push(id);
    }
  }

  remove(id: number): void {
    this.#queue.remove(id);
  }
}
