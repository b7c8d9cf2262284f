import { smallReplyBytesMax } from '../limits.ts';
import { FreeList, roundUp } from '../store/free-list.ts';

/** This share of the space is reserved for small slots. */
const spareShare = 1 / 32;

/** Space for frames and replies. A part of it is reserved, so that large ones always leave space for small ones. */
export class Slots {
  /** First address of the whole space. */
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

  get bytesFree(): number {
    return this.#shared.bytesFree + this.#spare.bytesFree;
  }

  /** Allocates `bytes` bytes. Returns their address, or undefined if there is no space now. */
  allocate(bytes: number): number | undefined {
    const address = this.#shared.allocate(bytes);
    return address === undefined && bytes <= smallReplyBytesMax ? this.#spare.allocate(bytes) : address;
  }

  /** Frees what `allocate(bytes)` returned as `address`. */
  free(address: number, bytes: number): void {
    const room = address < this.#spareBegin ? this.#shared : this.#spare;
    room.free(address, bytes);
  }
}
