import * as v from 'valibot';
import type * as Pooling from '../../wasm/component/interfaces/flexemr-kernels-pooling.js';
import { checkFields, integer, oneOf, options as optionsOf, type Schema } from '../check.ts';
import type { PoolingMode } from '../kernel/pooling-mode.ts';
import { anyMode } from '../kernel/schemas.ts';
import { expectArray, expectObject } from './expect.ts';

/** The keys of all bags, one bag after the other. */
export interface Bags {
  readonly keys: Uint32Array;
  /** Bag i has keys [offsets[i], offsets[i + 1]), so there is one more offset than bags. */
  readonly offsets: Uint32Array;
  /** One per key. */
  readonly weights?: Float32Array | undefined;
}

export interface PoolOptions {
  readonly mode: PoolingMode;
  /** The padding key, which is never pooled: below 2^32 − 1. */
  readonly padding?: number | undefined;
  /** What to do with a key that is not a row. Default: `error`. */
  readonly missing?: 'error' | 'skip' | undefined;
  /** Leaves the division of mean and sqrtn to `merge`. */
  readonly partial?: boolean | undefined;
}

/**
 * `values`: f32 [bags, dim]. `counts`: u32 [bags], the rows pooled; present for partials, and if not all keys were
 * pooled. `denominators`: f32 [bags]; present for weighted mean and sqrtn. `outcomes`: u8 [keys]: 0 pooled, 1 padding,
 * 2 missing; present if not all keys were pooled. `partial`: the values are not divided yet; `merge` takes them.
 */
export type Pooled = Pooling.Pooled;

/** For kernels, 2^32 − 1 means "none". */
const paddingMax = 4_294_967_294;

const poolOptions: Schema<PoolOptions> = optionsOf({
  mode: anyMode,
  padding: v.optional(integer(0, paddingMax)),
  missing: v.optional(oneOf(['error', 'skip'])),
  partial: v.optional(v.boolean()),
});

/** @throws INVALID_BAGS, INVALID_OFFSETS, INVALID_WEIGHTS if an array has the wrong type */
export function checkedBags(bags: Bags): Pooling.Bags {
  expectObject(bags, 'bags', 'INVALID_BAGS');
  expectArray(bags.keys, 'Uint32Array', 'keys', 'INVALID_BAGS');
  expectArray(bags.offsets, 'Uint32Array', 'offsets', 'INVALID_OFFSETS');
  if (bags.weights !== undefined) expectArray(bags.weights, 'Float32Array', 'weights', 'INVALID_WEIGHTS');
  return bags as Pooling.Bags;
}

/** The options with their defaults. @throws INVALID_OPTION */
export function checkedOptions(options: PoolOptions): Pooling.Options {
  const { mode, padding, missing = 'error', partial = false } = checkFields(poolOptions, options);
  return padding === undefined ? { mode, missing, partial } : { mode, padding, missing, partial };
}

/** Bytes that pooling takes in the component: the bags, and the results of each bag and each key. */
export function poolBytes({ keys, offsets, weights }: Pooling.Bags, dim: number): number {
  const given = keys.byteLength + offsets.byteLength + (weights?.byteLength ?? 0);
  return given + keys.length + offsets.length * (dim + 2) * 4;
}
