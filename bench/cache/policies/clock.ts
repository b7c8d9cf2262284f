import type { Entries } from '../entries.ts';
import type { Eviction } from './policy.ts';
import { Queue } from './queue.ts';

/**
 * First in, first out, with a second chance: what was hit goes to the head once more. This is a circular log that copies
 * an entry from its tail to its head.
 */
export class Clock implements Eviction {
  readonly #queue: Queue;
  readonly #wasHit: Uint8Array;

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
    for (;;) {
      const id = this.#queue.tail;
      if (this.#wasHit[id] === 0) return id;
      this.#queue.remove(id);
      this.insert(id);
    }
  }

  remove(id: number): void {
    this.#queue.remove(id);
  }
}
