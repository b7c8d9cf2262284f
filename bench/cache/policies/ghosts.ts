import { Queue } from './queue.ts';

/** Entries that were evicted lately. Only their numbers are known. */
export class Ghosts {
  readonly #queue: Queue;
  readonly #known: Uint8Array;
  #count = 0;

  constructor(count: number) {
    this.#queue = new Queue(count);
    this.#known = new Uint8Array(count);
  }

  /** @param most how many to keep, this one among them */
  add(id: number, most: number): void {
    this.#known[id] = 1;
    this.#queue.push(id);
    this.#count++;
    while (this.#count > Math.max(1, most)) this.take(this.#queue.tail);
  }

  /** Forgets it. @returns whether it was known */
  take(id: number): boolean {
    if (this.#known[id] === 0) return false;
    this.#known[id] = 0;
    this.#queue.remove(id);
    this.#count--;
    return true;
  }
}
