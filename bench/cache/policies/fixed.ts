import type { Entries } from '../entries.ts';
import type { Policy } from './policy.ts';

/**
 * A perfect LFU: keeps the entries that save the most reply bytes per byte of cache over the whole trace, and never
 * evicts. It cannot follow a drift.
 */
export class Fixed implements Policy {
  readonly #bytes: Uint32Array;
  readonly #chosen: Uint8Array;
  readonly #resident: Uint8Array;
  #used = 0;
  #written = 0;

  /** @param accesses what will be used, in order */
  constructor({ bytes, saved, count }: Entries, capacity: number, accesses: Uint32Array) {
    this.#bytes = bytes;
    this.#chosen = new Uint8Array(count);
    this.#resident = new Uint8Array(count);
    const uses = new Uint32Array(count);
    for (const id of accesses) uses[id]++;
    const worth = Float64Array.from(uses, (n, id) => (n * saved[id]) / bytes[id]);
    // An entry that is used once saves nothing.
    const order = Uint32Array.from(uses.keys()).filter((id) => uses[id] > 1);
    order.sort((a, b) => worth[b] - worth[a]);
    let room = capacity;
    for (const id of order) {
      if (bytes[id] > room) continue;
      room -= bytes[id];
      this.#chosen[id] = 1;
    }
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
    if (this.has(id)) return true;
    if (this.#chosen[id] === 1) {
      this.#resident[id] = 1;
      this.#used += this.#bytes[id];
      this.#written++;
    }
    return false;
  }
}
