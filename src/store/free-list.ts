/** Every allocation starts at a cache line. */
export const allocationAlignBytes = 64;

/** A first-fit allocator for a range of addresses. Freed memory is merged with free neighbours and used again. */
export class FreeList {
  readonly #free: { begin: number; end: number }[];

  constructor(begin: number, end: number) {
    this.#free = [{ begin: roundUp(begin), end }];
  }

  /** @returns the address of `bytes` bytes, or undefined if no gap is large enough */
  allocate(bytes: number): number | undefined {
    const size = allocatedBytes(bytes);
    const at = this.#free.findIndex(({ begin, end }) => end - begin >= size);
    if (at < 0) return undefined;
    const gap = this.#free[at];
    const address = gap.begin;
    gap.begin += size;
    if (gap.end - gap.begin < allocationAlignBytes) this.#free.splice(at, 1);
    return address;
  }

  /** Frees the memory that `allocate(bytes)` returned at `address`. */
  free(address: number, bytes: number): void {
    const end = address + allocatedBytes(bytes);
    const gaps = this.#free;
    let at = 0;
    while (at < gaps.length && gaps[at].begin < end) at++;
    const [before, after] = [gaps[at - 1], gaps[at]];
    if (after?.begin === end) {
      after.begin = address;
      if (before?.end === address) {
        before.end = after.end;
        gaps.splice(at, 1);
      }
    } else if (before?.end === address) before.end = end;
    else gaps.splice(at, 0, { begin: address, end });
  }

  /** Bytes of all gaps. */
  get bytesFree(): number {
    return this.#free.reduce((sum, { begin, end }) => sum + end - begin, 0);
  }

  /** Bytes of the largest gap. */
  get largest(): number {
    return this.#free.reduce((most, { begin, end }) => Math.max(most, end - begin), 0);
  }
}

/** What an allocation takes: a cache line at least, so that none has the address of another one. */
export function allocatedBytes(bytes: number): number {
  return roundUp(Math.max(1, bytes));
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / allocationAlignBytes) * allocationAlignBytes;
}
