import { allocationAlignBytes } from '../store/free-list.ts';

/**
 * Gives out memory in powers of 2, in the same time however much is given out. It never joins what is free; when nothing is
 * given out any more, it begins anew.
 */
export class SlotPool {
  readonly #begin: number;
  readonly #end: number;
  /** What was never given out begins here. */
  #next: number;
  /** Addresses that are free again, by the logarithm of their size. */
  readonly #free: number[][] = Array.from({ length: 32 }, () => []);
  #given = 0;

  constructor(begin: number, end: number) {
    this.#begin = begin;
    this.#next = begin;
    this.#end = end;
  }

  /** @returns the address of `bytes` bytes, or undefined if there is no memory of this size */
  allocate(bytes: number): number | undefined {
    const size = sizeOf(bytes);
    let address = this.#free[size].pop();
    if (address === undefined) {
      address = this.#next;
      if (2 ** size > this.#end - address) return undefined;
      this.#next += 2 ** size;
    }
    this.#given++;
    return address;
  }

  /** Frees the memory that `allocate(bytes)` returned at `address`. */
  free(address: number, bytes: number): void {
    this.#free[sizeOf(bytes)].push(address);
    if (--this.#given > 0 || this.#next - this.#begin < (this.#end - this.#begin) / 2) return;
    this.#next = this.#begin;
    for (const addresses of this.#free) addresses.length = 0;
  }
}

function sizeOf(bytes: number): number {
  return 32 - Math.clz32(Math.max(allocationAlignBytes, bytes) - 1);
}
