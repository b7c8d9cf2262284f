import * as v from 'valibot';
import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { checkFields, integer, oneOf, options as optionsOf, type Schema } from '../check.ts';
import type { PoolingMode } from '../kernel/pooling-mode.ts';
import { anyMode } from '../kernel/schemas.ts';
import { expectArray, expectObject } from './expect.ts';

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
  /** The key that stands for nothing: below 2^32 − 1. */
  readonly padding?: number | undefined;
  /** What becomes of a key that is no row. Default `error`. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** Leaves the division of mean and sqrtn to `merge`. */
  readonly partial?: boolean | undefined;
}

/**
 * `values` f32 [bags, dim]. `counts` u32 [bags], rows pooled: of partials, and where not all keys were. `denominators`
 * f32 [bags] of weighted means and sqrtns. `outcomes` u8 [keys] where not all were pooled: 0 pooled, 1 padding, 2 missing.
 * `partial`: not divided yet, what `merge` takes.
 */
export type Pooled = Pooling.Pooled;

/** 2^32 − 1 is the kernels' word for none. */
const paddingMax = 4_294_967_294;

const poolOptions: Schema<PoolOptions> = optionsOf({
  mode: anyMode,
  padding: v.optional(integer(0, paddingMax)),
  missing: v.optional(oneOf(['error', 'skip'])),
  partial: v.optional(v.boolean()),
});

/** @throws INVALID_BAGS, INVALID_OFFSETS, INVALID_WEIGHTS: it is no such array */
export function checkedBags(bags: Bags): Pooling.Bags {
  expectObject(bags, 'bags', 'INVALID_BAGS');
  expectArray(bags.keys, 'Uint32Array', 'keys', 'INVALID_BAGS');
  expectArray(bags.offsets, 'Uint32Array', 'offsets', 'INVALID_OFFSETS');
  if (bags.weights !== undefined) expectArray(bags.weights, 'Float32Array', 'weights', 'INVALID_WEIGHTS');
  return bags as Pooling.Bags;
}

/** With defaults. @throws INVALID_OPTION */
export function checkedOptions(options: PoolOptions): Pooling.Options {
  const { mode, padding, missing = 'error', partial = false } = checkFields(poolOptions, options);
  return padding === undefined ? { mode, missing, partial } : { mode, padding, missing, partial };
}

/** Bytes that pooling takes in the component: bags, what comes of each, and of each key. */
export function poolBytes({ keys, offsets, weights }: Pooling.Bags, dim: number): number {
  const given = keys.byteLength + offsets.byteLength + (weights?.byteLength ?? 0);
  return given + keys.length + offsets.length * (dim + 2) * 4;
}
