import { sliceMsMax } from '../limits.ts';

/** Splits long work in JavaScript into slices. Between them a worker reads its sockets and serves short requests. */
export class Slices {
  #until: number = performance.now() + sliceMsMax;

  /** Whether the current slice has used its time. */
  get over(): boolean {
    return performance.now() >= this.#until;
  }

  /** Waits for the next turn of the event loop if the current slice has used its time. */
  async pause(): Promise<void> {
    if (!this.over) return;
    await new Promise((turn) => setImmediate(turn));
    this.#until = performance.now() + sliceMsMax;
  }
}

/** The clock is read once for this number of array elements. */
export const elementsAtOnce = 2_048;
