import type { CacheBounds } from './memory-step.ts';

/** What a controller knows and has done. */
export interface ControllerStats extends CacheBounds {
  /** Bytes of everything but caches, with the largest batch that was wanted in the window. */
  readonly neededBytes: number;
  /** Candidates of the largest batch that was wanted in the window. */
  readonly wantedCandidates: number;
  /** Most candidates of a batch for which there is memory now. */
  readonly batchCandidates: number;
  /** Bytes that the cache is to have. */
  readonly targetBytes: number;
  readonly resizes: number;
  readonly renewals: number;
}
