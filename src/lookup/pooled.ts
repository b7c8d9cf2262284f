import type { FlexemrError } from '../errors.ts';

/** The pooled vectors of one feature. */
export interface Pooled {
  readonly dim: number;
  /** f32 [bags, dim]; for mode `none` [keys, dim]. */
  readonly values: Float32Array;
  /** u32 [bags]: rows pooled into each bag; for mode `none` [keys]: 1, or 0 if there was no row. */
  readonly counts: Uint32Array;
  /** Positions in `keys` of the keys that have no row and were skipped. */
  readonly missing: Uint32Array;
  /** Positions of keys without a row for which the default row was used. */
  readonly defaulted: Uint32Array;
  /** Positions of the padding key. */
  readonly padded: Uint32Array;
  /** Bags that lack rows of a failed memory node (`onFailure: 'partial'`); for mode `none`, keys. */
  readonly incomplete: Uint32Array;
}

/**
 * Pooled vectors by feature, in the order of the request. They are valid as long as something refers to them. Disposing
 * of the lookup (`using`) lets their memory be reused without garbage collection; do not use the vectors afterwards.
 */
export interface Lookup extends ReadonlyMap<string, Pooled>, Disposable {
  /** Why some bags are incomplete: one error per memory node that failed, if the caller allowed that. */
  readonly failures: readonly FlexemrError[];
}

/** A Lookup, which is filled feature by feature. */
export class PooledFeatures extends Map<string, Pooled> implements Lookup {
  readonly failures: readonly FlexemrError[];
  readonly #release: () => void;

  /** @param release lets the memory of the vectors be reused */
  constructor(failures: readonly FlexemrError[] = [], release: () => void = () => {}) {
    super();
    this.failures = failures;
    this.#release = release;
  }

  [Symbol.dispose](): void {
    this.clear();
    this.#release();
  }
}
