import { slowBytesPerSecondMin, slowMsMin } from '../limits.ts';

/** Something that a peer has begun to send, and that holds a place until it is whole. */
export interface Unfinished {
  /** More of it has come. */
  progress(bytes: number): void;
  /** It is whole, or will not be. */
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
 * What has begun to come to one worker, and is not whole. Where others need a place, the first one that comes too slowly is
 * cut off. One that comes fast enough never is.
 */
export class UnfinishedRequests {
  /** In the order they began. */
  readonly #entries = new Set<Entry>();

  /** @param cutOff gives back what it holds, and ends its connection */
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

  /** @returns whether there was a slow one */
  cutOffSlowest(): boolean {
    for (const entry of this.#entries) {
      if (!entry.slow) continue;
      this.#entries.delete(entry);
      entry.cutOff();
      return true;
    }
    return false;
  }

  /** What `take` gives; where it is refused for now, tried again for each slow one that is cut off. */
  makeRoom<T>(take: () => T, refused: (given: T) => boolean): T {
    let given = take();
    while (refused(given) && this.cutOffSlowest()) given = take();
    return given;
  }
}
