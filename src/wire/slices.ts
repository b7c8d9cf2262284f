import { sliceMsMax } from '../limits.ts';

/** Long work in JavaScript, done in slices between which a worker reads its sockets and serves short requests. */
export class Slices {
  #until: number = performance.now() + sliceMsMax;

  /** The slice at hand has had its time. */
  get over(): boolean {
    return performance.now() >= this.#until;
  }

  /** Waits for the next turn of the event loop, where the slice at hand is over. */
  async pause(): Promise<void> {
    if (!this.over) return;
    await new Promise((turn) => setImmediate(turn));
    this.#until = performance.now() + sliceMsMax;
  }
}

/** After so many elements of an array it is worth a look at the clock. */
export const elementsAtOnce = 2_048;
