import type { Outgoing } from './transport.ts';

const idsMax = 0x7fffffff;

/** Consecutive ids of subrequests, below 2^31. No id is 0, because a reply carries 0 if the frame's header was not read. */
export class FrameIds {
  #last = 0;

  /** The id of a subrequest: its own one, or the next. */
  next({ id }: Outgoing): number {
    if (id !== undefined) return id;
    this.#last = (this.#last % idsMax) + 1;
    return this.#last;
  }
}
