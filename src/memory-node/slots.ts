import { smallReplyBytesMax } from '../limits.ts';
import { FreeList, roundUp } from '../store/free-list.ts';

/** This part of the slots is kept for small ones. */
const spareShare = 1 / 32;

/** Room for frames and replies. When large ones have taken theirs, small ones still find some. */
export class Slots {
  /** All of it. */
  readonly begin: number;
  readonly end: number;
  readonly #shared: FreeList;
  readonly #spare: FreeList;
  readonly #spareBegin: number;

  constructor(begin: number, end: number) {
    this.#spareBegin = roundUp(begin + (end - begin) * (1 - spareShare));
    this.#shared = new FreeList(begin, this.#spareBegin);
    this.#spare = new FreeList(this.#spareBegin, end);
    this.begin = begin;
    this.end = end;
  }

  get bytes(): number {
    return this.end - this.begin;
  }

  /** Address of `bytes` bytes, or undefined where there is no room for them now. */
  allocate(bytes: number): number | undefined {
    const address = this.#shared.allocate(bytes);
    return address === undefined && bytes <= smallReplyBytesMax ? this.#spare.allocate(bytes) : address;
  }

  /** Gives back what `allocate(bytes)` gave at `address`. */
  free(address: number, bytes: number): void {
    const room = address < this.#spareBegin ? this.#shared : this.#spare;
    room.free(address, bytes);
  }
}
