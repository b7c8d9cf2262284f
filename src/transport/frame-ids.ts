/** Consecutive ids of subrequests, u32. No id is 0, because a reply carries 0 if the frame's header was not read. */
export class FrameIds {
  #last = 0;

  next(): number {
    this.#last = (this.#last % 0xffffffff) + 1;
    return this.#last;
  }
}
