import { slowBytesPerSecondMin, slowMsMin } from '../limits.ts';

/** Something that a peer has begun to send. It occupies a place until it is complete. */
export interface Unfinished {
  /** More of it has arrived. */
  progress(bytes: number): void;
  /** It is complete, or never will be. */
  end(): void;
}

class Entry {
  readonly #begun = performance.now();
  readonly cutOff: () => void;
  bytes = 0;

  constructor(cutOff: () => void) {
    this.cutOff = cutOff;
  }

  get slow(): boolean {
    const ms = performance.now() - this.#begun;
    return ms >= slowMsMin && this.bytes < (ms / 1000) * slowBytesPerSecondMin;
  }
}

/**
 * The requests and frames that one worker has begun to receive. If others need a place, the first one that arrives too
 * slowly is cut off. One that arrives fast enough is never cut off.
 */
export class UnfinishedRequests {
  /** In the order they began. */
  readonly #entries = new Set<Entry>();

  /** @param cutOff releases what it holds, and ends its connection */
  begin(cutOff: () => void): Unfinished {
    const entry = new Entry(cutOff);
    this.#entries.add(entry);
    return {
      progress: (bytes) => {
        entry.bytes += bytes;
      },
      end: () => void this.#entries.delete(entry),
    };
  }

  /** Cuts off the first one that is slow. @returns whether there was one */
  cutOffFirstSlow(): boolean {
    for (const entry of this.#entries) {
      if (!entry.slow) continue;
      this.#entries.delete(entry);
      entry.cutOff();
      return true;
    }
    return false;
  }

  /** Returns the result of `take`. If it is refused for now, retries after each slow one that is cut off. */
  makeRoom<T>(take: () => T, refused: (given: T) => boolean): T {
    let given = take();
    while (refused(given) && this.cutOffFirstSlow()) given = take();
    return given;
  }
}
