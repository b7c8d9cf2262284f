import type { FlexemrError } from '../errors.ts';

/** The pooled vectors of one feature. */
export interface Pooled {
  readonly dim: number;
  /** f32 [bags, dim]; for mode `none` [keys, dim]. */
  readonly values: Float32Array;
  /** u32 [bags]: rows pooled into each bag; for mode `none` [keys]: 1, or 0 where there was no row. */
  readonly counts: Uint32Array;
  /** Positions in `keys` that no row answered and that were left out. */
  readonly missing: Uint32Array;
  /** Positions that the default row answered. */
  readonly defaulted: Uint32Array;
  /** Positions of the padding key. */
  readonly padded: Uint32Array;
  /** Bags that lack what a failed memory node holds of them (`onFailure: 'partial'`); for mode `none` keys. */
  readonly incomplete: Uint32Array;
}

/**
 * Pooled vectors by feature, in the order asked for. They stay for as long as anybody refers to them; who disposes
 * of the lookup (`using`) spares the garbage collector their memory, and must not look at them any more.
 */
export interface Lookup extends ReadonlyMap<string, Pooled>, Disposable {
  /** Why some are incomplete: one a memory node that failed, where the caller allowed that. */
  readonly failures: readonly FlexemrError[];
}

/** A lookup as it is made. */
export class PooledFeatures extends Map<string, Pooled> implements Lookup {
  readonly failures: readonly FlexemrError[];
  readonly #release: () => void;

  /** @param release lets others use the memory of the vectors */
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
