import type { Ring } from './ring.ts';
import type { SlotPool } from './slot-pool.ts';

/** Memory that records of a ring refer to. It is free again once the other thread has taken the record. */
export class Borrowed {
  readonly #slots: SlotPool;
  readonly #ring: Ring;
  /** In the order of their records: number of the record, address and bytes. */
  readonly #lent: { readonly record: number; readonly address: number; readonly bytes: number }[] = [];

  constructor(slots: SlotPool, ring: Ring) {
    this.#slots = slots;
    this.#ring = ring;
  }

  /** @returns the address of memory for the next record; undefined if there is none now */
  allocate(bytes: number): number | undefined {
    this.#reclaim();
    return this.#slots.allocate(bytes);
  }

  /** The record that was given last refers to memory from `allocate`. */
  lend(address: number, bytes: number): void {
    this.#lent.push({ record: this.#ring.given, address, bytes });
  }

  /** Nothing refers to memory from `allocate` any more. */
  giveBack(address: number, bytes: number): void {
    this.#slots.free(address, bytes);
  }

  #reclaim(): void {
    const { taken } = this.#ring;
    let count = 0;
    while (count < this.#lent.length && ((this.#lent[count].record - taken) | 0) <= 0) count++;
    for (const { address, bytes } of this.#lent.splice(0, count)) this.#slots.free(address, bytes);
  }
}
