/** Shares of what was asked for, in [0, 1], unless said otherwise. */
export interface Outcome {
  /** Uses of rows that are in the cache, by themselves or in a segment that is hit. */
  readonly rowHits: number;
  readonly segmentHits: number;
  readonly replyBytes: number;
  /** Keys that nodes need not pool. */
  readonly nodeKeys: number;
  /** Entries that are written for each segment that is asked for: inserted, or copied to another place. May exceed 1. */
  readonly writes: number;
  /**
   * Reply bytes of rows that the cache fetches for itself, divided by the reply bytes without a cache. May exceed 1. 0 if
   * segments are cached: these come in replies that are sent anyway.
   */
  readonly fillBytes: number;
  /** Of the reply bytes of features of users. 0 if there are none. */
  readonly ofUsers: number;
}

/** Sums up what a cache did. */
export class Tally {
  /** Of rows that the cache fetched for itself. */
  fillBytes = 0;
  #segments = 0;
  #segmentsHit = 0;
  #keys = 0;
  #keysHit = 0;
  #rowsHeld = 0;
  #bytes = 0;
  #bytesHit = 0;
  #userBytes = 0;
  #userBytesHit = 0;

  /** @param found the keys of a segment that is hit; else −1 minus the number of its rows that are there */
  add(keys: number, bytes: number, ofUser: boolean, found: number): void {
    const hit = found >= 0;
    const bytesHit = hit ? bytes : 0;
    this.#segments++;
    this.#segmentsHit += hit ? 1 : 0;
    this.#keys += keys;
    this.#keysHit += hit ? keys : 0;
    this.#rowsHeld += hit ? found : -1 - found;
    this.#bytes += bytes;
    this.#bytesHit += bytesHit;
    if (!ofUser) return;
    this.#userBytes += bytes;
    this.#userBytesHit += bytesHit;
  }

  /** @param written entries that the cache wrote */
  outcome(written: number): Outcome {
    return {
      rowHits: this.#rowsHeld / this.#keys,
      segmentHits: this.#segmentsHit / this.#segments,
      replyBytes: this.#bytesHit / this.#bytes,
      nodeKeys: this.#keysHit / this.#keys,
      writes: written / this.#segments,
      fillBytes: this.fillBytes / this.#bytes,
      ofUsers: this.#userBytes === 0 ? 0 : this.#userBytesHit / this.#userBytes,
    };
  }
}
