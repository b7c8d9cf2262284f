import type { Entries } from '../entries.ts';
import { Ghosts } from './ghosts.ts';
import type { Eviction } from './policy.ts';
import { Queue } from './queue.ts';

/** Of the capacity, for entries that have to prove themselves. */
const smallShare = 0.1;
const hitsMax = 3;

/**
 * S3-FIFO (SOSP 2023): new entries wait in a small queue. Those that are hit twice there go to the main queue, and those
 * that are asked for again soon after they were evicted begin there. In the main queue, every hit is one more chance.
 */
export class S3Fifo implements Eviction {
  readonly #bytes: Uint32Array;
  readonly #smallMax: number;
  readonly #small: Queue;
  readonly #main: Queue;
  readonly #ghosts: Ghosts;
  readonly #hits: Uint8Array;
  readonly #inMain: Uint8Array;
  #smallBytes = 0;
  #mainCount = 0;
  #copies = 0;

  constructor({ count, bytes }: Entries, capacity: number) {
    this.#bytes = bytes;
    this.#smallMax = capacity * smallShare;
    this.#small = new Queue(count);
    this.#main = new Queue(count);
    this.#ghosts = new Ghosts(count);
    this.#hits = new Uint8Array(count);
    this.#inMain = new Uint8Array(count);
  }

  get copies(): number {
    return this.#copies;
  }

  insert(id: number): void {
    this.#hits[id] = 0;
    if (this.#ghosts.take(id)) this.#pushMain(id);
    else {
      this.#inMain[id] = 0;
      this.#small.push(id);
      this.#smallBytes += this.#bytes[id];
    }
  }

  hit(id: number): void {
    if (this.#hits[id] < hitsMax) this.#hits[id]++;
  }

  victim(): number {
    for (;;) {
      const small = this.#small.tail;
      if (small >= 0 && (this.#smallBytes > this.#smallMax || this.#main.tail < 0)) {
        if (this.#hits[small] < 2) return small;
        this.#takeSmall(small);
        this.#hits[small] = 0;
        this.#copies++;
        this.#pushMain(small);
      } else {
        const main = this.#main.tail;
        if (this.#hits[main] === 0) return main;
        this.#hits[main]--;
        this.#copies++;
        this.#main.remove(main);
        this.#main.push(main);
      }
    }
  }

  remove(id: number): void {
    if (this.#inMain[id] === 1) {
      this.#main.remove(id);
      this.#mainCount--;
    } else {
      this.#takeSmall(id);
      this.#ghosts.add(id, this.#mainCount);
    }
  }

  #pushMain(id: number): void {
    this.#inMain[id] = 1;
    this.#main.push(id);
    this.#mainCount++;
  }

  #takeSmall(id: number): void {
    this.#small.remove(id);
    this.#smallBytes -= this.#bytes[id];
  }
}
