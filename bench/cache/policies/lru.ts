import type { Entries } from '../entries.ts';
import type { Eviction } from './policy.ts';
import { Queue } from './queue.ts';

/** Evicts what was not used for longest. */
export class Lru implements Eviction {
  readonly #queue: Queue;

  constructor({ count }: Entries) {
    this.#queue = new Queue(count);
  }

  insert(id: number): void {
    this.#queue.push(id);
  }

  hit(id: number): void {
    this.#queue.remove(id);
    this.#queue.push(id);
  }

  victim(): number {
    return this.#queue.tail;
  }

  remove(id: number): void {
    this.#queue.remove(id);
  }
}
