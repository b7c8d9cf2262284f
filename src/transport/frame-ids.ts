/** Ids of subrequests, one after the other: u32, never 0, which replies carry to frames whose header was not read. */
export class FrameIds {
  #last = 0;

  next(): number {
    this.#last = (this.#last % 0xffffffff) + 1;
    return this.#last;
  }
}
