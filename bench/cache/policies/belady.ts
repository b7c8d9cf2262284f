import type { Entries } from '../entries.ts';
import { MaxHeap } from './max-heap.ts';
import type { Policy } from './policy.ts';

/**
 * Belady's MIN, which knows all uses to come. It evicts what is used again last, and does not insert what is used again
 * later than everything that it has. With entries of one size, no policy has more hits.
 *
 * With different sizes the optimum is too hard to compute. Then it evicts the entry with the largest product of the time
 * to its next use and the bytes it takes, divided by the reply bytes that a hit saves. That is often near the optimum,
 * but other policies may be better.
 */
export class Belady implements Policy {
  readonly #bytes: Uint32Array;
  readonly #capacity: number;
  readonly #accesses: Uint32Array;
  /** For each access, when the same entry is accessed next. The number of accesses: never. */
  readonly #nextUse: Int32Array;
  readonly #resident: Uint8Array;
  /** Entries with the same bytes and the same savings are evicted in the order of their next uses. */
  readonly #classOf: Uint8Array;
  readonly #classes: { readonly weight: number; readonly uses: MaxHeap }[] = [];
  #now = 0;
  #used = 0;
  #written = 0;

  /** @param accesses what will be used, in order */
  constructor(entries: Entries, capacity: number, accesses: Uint32Array) {
    this.#bytes = entries.bytes;
    this.#capacity = capacity;
    this.#accesses = accesses;
    this.#nextUse = nextUses(accesses, entries.count);
    this.#resident = new Uint8Array(entries.count);
    this.#classOf = new Uint8Array(entries.count);
    const known = new Map<number, number>();
    for (let id = 0; id < entries.count; id++) {
      const key = entries.bytes[id] * 2 ** 20 + entries.saved[id];
      if (!known.has(key)) {
        known.set(key, this.#classes.length);
        this.#classes.push({ weight: entries.bytes[id] / entries.saved[id], uses: new MaxHeap() });
      }
      this.#classOf[id] = known.get(key) as number;
    }
    if (this.#classes.length > 256)
      throw new RangeError(`${this.#classes.length} sizes of entries: at most 256`);
  }

  get used(): number {
    return this.#used;
  }

  get written(): number {
    return this.#written;
  }

  has(id: number): boolean {
    return this.#resident[id] === 1;
  }

  access(id: number): boolean {
    const next = this.#nextUse[this.#now++];
    const hit = this.has(id);
    if (next === this.#accesses.length) {
      if (hit) this.#remove(id);
    } else if (hit || this.#makeRoom(id, next)) {
      if (!hit) {
        this.#used += this.#bytes[id];
        this.#written++;
      }
      this.#resident[id] = 1;
      this.#classes[this.#classOf[id]].uses.push(next);
    }
    return hit;
  }

  #makeRoom(id: number, next: number): boolean {
    const room = this.#capacity - this.#bytes[id];
    if (room < 0) return false;
    const own = this.#classes[this.#classOf[id]].weight * (next - this.#now);
    while (this.#used > room) {
      const { uses, cost } = this.#worst();
      if (cost <= own) return false;
      this.#remove(this.#accesses[uses.pop()]);
    }
    return true;
  }

  /** Uses that have passed are below all others in a heap, so the top is an entry that is in the cache. */
  #worst(): { uses: MaxHeap; cost: number } {
    let worst = { uses: this.#classes[0].uses, cost: Number.NEGATIVE_INFINITY };
    for (const { uses, weight } of this.#classes) {
      const cost = (uses.top - this.#now) * weight;
      if (cost > worst.cost) worst = { uses, cost };
    }
    return worst;
  }

  #remove(id: number): void {
    this.#resident[id] = 0;
    this.#used -= this.#bytes[id];
  }
}

function nextUses(accesses: Uint32Array, count: number): Int32Array {
  const next = new Int32Array(accesses.length);
  const later = new Int32Array(count).fill(accesses.length);
  for (let i = accesses.length - 1; i >= 0; i--) {
    next[i] = later[accesses[i]];
    later[accesses[i]] = i;
  }
  return next;
}
