/** Every piece of room starts on a cache line. */
export const roomAlignBytes = 64;

/** First-fit room in a range of addresses; what is freed joins its neighbours and is given out again. */
export class FreeList {
  readonly #free: { begin: number; end: number }[];

  constructor(begin: number, end: number) {
    this.#free = [{ begin: roundUp(begin), end }];
  }

  /** Address of `bytes` bytes, or undefined where no gap is large enough. */
  allocate(bytes: number): number | undefined {
    const size = roundUp(Math.max(1, bytes));
    const at = this.#free.findIndex(({ begin, end }) => end - begin >= size);
    if (at < 0) return undefined;
    const gap = this.#free[at];
    const address = gap.begin;
    gap.begin += size;
    if (gap.end - gap.begin < roomAlignBytes) this.#free.splice(at, 1);
    return address;
  }

  /** Gives back what `allocate(bytes)` gave at `address`. */
  free(address: number, bytes: number): void {
    const end = address + roundUp(Math.max(1, bytes));
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

  /** Bytes of the largest gap. */
  get largest(): number {
    return this.#free.reduce((most, { begin, end }) => Math.max(most, end - begin), 0);
  }
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / roomAlignBytes) * roomAlignBytes;
}
