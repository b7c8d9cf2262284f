// Runs a pooling case with the component: with one table, or with a table for each shard and merged partials.
import type { Bags, Component, Pooled, PoolOptions } from '../../src/component.ts';
import { rowBytes } from '../../src/kernel/dtype.ts';
import type { PoolInput } from '../10.kernel/pool-case.ts';

/** The parts of a case that the component gets. */
export type Input = Pick<PoolInput, 'of' | 'rows' | 'keys' | 'offsets' | 'weights' | 'padding'>;

/** The results in the shapes of the kernels' results. */
export interface Outcome {
  readonly pooled: Uint32Array;
  readonly counts: Uint32Array;
  readonly outcomes: Uint8Array;
}

/** @throws FlexemrError as the component does */
export function poolByComponent(component: Component, input: Input): Outcome {
  const { of, offsets, weights, padding } = input;
  const { dtype, dim, mode, missing } = of;
  const stride = rowBytes(dtype, dim);
  const bounds = [0, ...of.cuts, of.rows];
  const options: PoolOptions = { mode, padding, missing: missing === 'error' ? 'error' : 'skip' };
  const keys = Uint32Array.from(input.keys);
  if (of.cuts.length === 0) {
    using table = component.table({ dtype, dim, rows: input.rows });
    return outcomeOf(table.pool({ keys, offsets, weights }, options), { keys, offsets, weights });
  }
  const outcomes = new Uint8Array(keys.length);
  const partials = bounds.slice(1).map((end, shard) => {
    const rows = input.rows.subarray(bounds[shard] * stride, end * stride);
    using table = component.table({ dtype, dim, rows });
    const { bags, positions } = within(input, bounds[shard], end, shard === bounds.length - 2);
    // `within` leaves out padding.
    const part = table.pool(bags, { mode, missing: options.missing, partial: true });
    for (const [i, outcome] of (part.outcomes ?? []).entries()) outcomes[positions[i]] = outcome;
    return part;
  });
  if (padding !== undefined) for (const [i, key] of keys.entries()) if (key === padding) outcomes[i] = 1;
  const merged = component.merge(mode, dim, partials);
  return { ...outcomeOf(merged, { keys, offsets, weights }), outcomes };
}

/**
 * The keys of one shard, bag by bag, as row numbers of the shard, and the position of each in `input`. The last shard
 * also gets the keys past the end.
 */
function within(
  { keys, offsets, weights, padding }: Input,
  begin: number,
  end: number,
  last: boolean,
): { readonly bags: Bags; readonly positions: readonly number[] } {
  const mine = (key: number): boolean => key !== padding && key >= begin && (key < end || last);
  const positions = Array.from(keys.keys()).filter((i) => mine(keys[i]));
  const own = Uint32Array.from(offsets, (offset) => positions.filter((position) => position < offset).length);
  const bags = {
    keys: Uint32Array.from(positions, (i) => keys[i] - begin),
    offsets: own,
    weights: weights && Float32Array.from(positions, (i) => weights[i]),
  };
  return { bags, positions };
}

function outcomeOf({ values, counts, outcomes }: Pooled, { keys, offsets }: Bags): Outcome {
  return {
    pooled: new Uint32Array(values.buffer),
    counts: counts ?? Uint32Array.from(offsets.subarray(1), (end, bag) => end - offsets[bag]),
    outcomes: outcomes ?? new Uint8Array(keys.length),
  };
}
