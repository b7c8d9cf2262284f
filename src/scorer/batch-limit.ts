/** How many candidates a batch may have. */
export interface BatchLimit {
  /** Now, for example because there is no more memory, and ever. A request that has more than `most` is refused. */
  readonly now: number;
  readonly most: number;
  /** Whether a request of so many candidates may begin now. */
  fits(candidates: number): boolean;
  /** Hears how many candidates wait. */
  wanted(candidates: number): void;
  /** A batch begins, or has ended. */
  began(candidates: number): void;
  ended(candidates: number): void;
}

/** A limit that is always the same. A request that has more is a batch of its own. */
export class FixedBatchLimit implements BatchLimit {
  readonly now: number;
  readonly most: number = Number.POSITIVE_INFINITY;

  constructor(candidates: number) {
    this.now = candidates;
  }

  fits(): boolean {
    return true;
  }

  wanted(): void {}
  began(): void {}
  ended(): void {}
}
