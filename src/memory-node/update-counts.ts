/** What was done with batches of row updates. */
export interface UpdateStats {
  /** Batches that were written. */
  readonly applied: number;
  /** Batches that lost a race, or that the rows had already. */
  readonly skipped: number;
  /** Batches that no node writes, because they are wrong or too large for a shard. */
  readonly refused: number;
  /** How often the rows of a shard were read again from their file. */
  readonly reloads: number;
  /** When the last batch was made that was written, in ms since 1970. 0: there was none. */
  readonly madeAt: number;
}

export class UpdateCounts implements UpdateStats {
  applied = 0;
  skipped = 0;
  refused = 0;
  reloads = 0;
  madeAt = 0;
}
