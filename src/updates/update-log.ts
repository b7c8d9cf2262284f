import type { Batch } from './batch.ts';

/** A batch, and its place among all batches of the log. */
export interface LoggedBatch {
  /** Ascends within a chain. */
  readonly sequence: number;
  readonly batch: Batch;
}

/** A batch that was just added to a chain. */
export interface AddedBatch extends LoggedBatch {
  /** The sequence of what was written to the chain before it. 0: nothing was. */
  readonly before: number;
}

/** Where batches of row updates are kept, in one order for all readers. Chains are named by `chainName`. */
export interface UpdateLog {
  /**
   * Which log it is: one that was made anew has another. u32, never 0.
   * @throws UNAVAILABLE, UNAUTHORIZED, as all methods
   */
  incarnation(): Promise<number>;
  /** The first batch of a chain after a sequence, or undefined. Messages that are no batches are left out. */
  next(chain: string, after: number): Promise<LoggedBatch | undefined>;
  /** The last batch that was written to a chain, or undefined. It may have lost a race: `endOf` knows. */
  last(chain: string): Promise<LoggedBatch | undefined>;
  /**
   * Adds a batch to a chain, if its last sequence is still this (0: it has none). With replicas, servers of NATS 2.9 let several win
   * who expect the same: which of them was first, `continuationOf` says.
   * @returns its sequence, if it is certain that nothing was written to the chain between; undefined: read what was
   * @throws CONFLICT if another batch has come first, or an answer was lost; LIMIT_EXCEEDED
   */
  append(chain: string, batch: Uint8Array, after: number): Promise<number | undefined>;
  /**
   * Calls `onAdded` with each batch that is added to a chain; without one, when it may have missed some. Both may be lost: read now and
   * then, too. @returns stops that
   */
  listen(chain: string, onAdded: (added?: AddedBatch) => void): () => void;
  close(): Promise<void>;
}
