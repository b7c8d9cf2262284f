import type { Batch } from './batch.ts';

/** A batch of a chain without its rows. */
export interface KeysOfBatch extends Pick<Batch, 'position' | 'previous' | 'keys' | 'deletes'> {
  readonly chain: string;
}

/** Somebody who wants to know which keys are updated. */
export interface KeysListener {
  /**
   * What was heard so far may have gaps. The end of every chain that has batches follows, and then what is new. Before the next
   * `onCurrent`, some of these ends are missing.
   * @param incarnation of the stream @param lost whether the stream may have lost what was heard before
   */
  onBegin(incarnation: number, lost: boolean): void;
  /** The end of a chain, or a new batch. In the order of the stream. */
  onBatch(batch: KeysOfBatch): void;
  /** It has heard everything that the stream had acknowledged at a time. @param at by `performance.now()` */
  onCurrent(at: number): void;
  /** Nothing can be heard, and why. It is told once, until something is heard again. */
  onAway(error: Error): void;
}

/** Tells which keys are updated, for caches. */
export interface UpdatedKeys {
  /** Begins to tell one listener, now and whenever it is in touch with the stream again. */
  listen(listener: KeysListener): void;
  close(): Promise<void>;
}
