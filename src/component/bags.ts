import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import type { PoolingMode } from '../kernel/reference.ts';

/** Keys of all bags, one bag behind the other. */
export interface Bags {
  readonly keys: Uint32Array;
  /** Bag i has keys [offsets[i], offsets[i + 1]): one more than bags. */
  readonly offsets: Uint32Array;
  /** One a key. */
  readonly weights?: Float32Array | undefined;
}

export interface PoolOptions {
  readonly mode: PoolingMode;
  /** The key that stands for nothing. */
  readonly padding?: number | undefined;
  /** What becomes of a key that is no row. Default `error`. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** Leaves the division of mean and sqrtn to `merge`. */
  readonly partial?: boolean | undefined;
}

/**
 * `values` f32 [bags, dim]. `counts` u32 [bags], rows pooled: of partials, and where not all keys were. `denominators`
 * f32 [bags] of weighted means and sqrtns. `fates` u8 [keys] where not all were pooled: 0 pooled, 1 padding, 2 missing.
 */
export type Pooled = Pooling.Pooled;

export function withDefaults({
  mode,
  padding,
  missing = 'error',
  partial = false,
}: PoolOptions): Pooling.Options {
  return padding === undefined ? { mode, missing, partial } : { mode, padding, missing, partial };
}
