import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/layout.ts';
import type { PoolingMode } from '../kernel/pooling-mode.ts';
import { badKey, type CheckedBags } from '../plan/checked-bags.ts';
import type { Table } from '../store/table.ts';
import type { KernelCall } from '../store/thread-pool.ts';
import type { Pooled } from './pooled.ts';
import { Segment } from './segment.ts';

/** One feature of one lookup: a segment for each shard of its table. Several segments are merged. */
export class FeatureLookup {
  /** Number of result vectors: one per bag, or one per key in mode `none`. */
  readonly vectors: number;
  readonly dim: number;
  readonly #feature: string;
  readonly #table: Table;
  readonly #bags: CheckedBags;
  readonly #segments: Segment[] = [];

  /**
   * Copies the bags into the arenas that hold the rows.
   * @param parts how many threads share the work @throws OUT_OF_MEMORY, INVALID_WEIGHTS
   */
  constructor(feature: string, table: Table, bags: CheckedBags, parts: number) {
    const { mode, dim } = table.spec;
    if (bags.weights && (mode === 'max' || mode === 'none')) {
      const message = `${feature}: table ${table.spec.name} pools by ${mode}, which takes no weights; leave them out`;
      throw new FlexemrError('INVALID_WEIGHTS', message, { field: `${feature}.weights`, value: mode });
    }
    this.#feature = feature;
    this.#table = table;
    this.#bags = bags;
    this.dim = dim;
    this.vectors = mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
    const keys = table.index ? table.index.find(bags.keys as BigUint64Array) : bags.keys;
    const { vectors } = this;
    try {
      // The first segment merges the partials of the others.
      for (const [i, shard] of table.shards.entries()) {
        const merges = i === 0 && table.shards.length > 1;
        this.#segments.push(
          new Segment(shard, { ...bags, keys, vectors, dim, merges }, this.#parts(parts, shard)),
        );
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #parts(parts: number, shard: Table['shards'][number]): ConstructorParameters<typeof Segment>[2] {
    const { spec, shards, padding } = this.#table;
    const gathers = spec.mode === 'none';
    const bounds = shareOut(this.#bags, this.vectors, gathers, parts);
    return bounds.slice(1).map((end, part) => ({
      mode: this.#mode,
      partial: shards.length > 1,
      touch: Segment.touches(shard),
      padding,
      missing: spec.missing ?? 'error',
      begin: bounds[part],
      end,
      firstKey: gathers ? 0 : this.#bags.offsets[bounds[part]],
    }));
  }

  /** In mode `none`, each key is merged as the sum of a bag that has only this key. */
  get #mode(): PoolingMode {
    const { mode } = this.#table.spec;
    return mode === 'none' ? 'sum' : mode;
  }

  /** The kernel calls of one part. */
  calls(part: number): KernelCall[] {
    const kernel = this.#table.spec.mode === 'none' ? 'gather' : 'pool';
    return this.#segments.map(({ shard, calls }) => ({ arena: shard.arena, kernel, address: calls[part] }));
  }

  /** The error for the first key that a call refused, if any. @param statuses of all calls of this feature */
  error(calls: readonly KernelCall[], statuses: readonly number[]): FlexemrError | undefined {
    const refused = calls.filter((_, i) => statuses[i] !== layout.DONE);
    if (refused.length === 0) return undefined;
    if (statuses.some((status) => status !== layout.DONE && status !== layout.BAD_KEY)) {
      throw new RangeError(
        `${this.#feature}: a kernel refused offsets that were already checked, so memory was overwritten`,
      );
    }
    const positions = refused.map(
      ({ arena, address }) => arena.words[(address + layout.CALL_ERROR_POSITION) >>> 2],
    );
    const position = Math.min(...positions);
    const { name, rows } = this.#table.spec;
    const why = this.#table.index
      ? `is not an id of table ${name}`
      : `is not a row of table ${name}, which has ${rows} rows`;
    return badKey(this.#feature, position, this.#bags.keys[position], why);
  }

  /** Merges the segments, if there are several, and copies the results into `values` (f32 [vectors, dim]). */
  finish(values: Float32Array): Pooled {
    const [first, ...others] = this.#segments;
    if (others.length > 0) first.merge(this.#mode, others);
    values.set(first.values);
    return {
      dim: this.dim,
      values,
      counts: first.counts.slice(),
      distinct: undefined,
      missing: this.#positions(layout.OUTCOME_MISSING),
      defaulted: this.#positions(layout.OUTCOME_DEFAULTED),
      padded: this.#positions(layout.OUTCOME_PADDED),
      incomplete: new Uint32Array(),
    };
  }

  #positions(outcome: number): Uint32Array {
    const noted = this.#segments.map(({ outcomes }) => outcomes).filter((outcomes) => outcomes !== undefined);
    const positions: number[] = [];
    for (let i = 0; noted.length > 0 && i < this.#bags.keys.length; i++) {
      if (noted.some((outcomes) => outcomes[i] === outcome)) positions.push(i);
    }
    return Uint32Array.from(positions);
  }

  /** Frees the slots. */
  close(): void {
    for (const segment of this.#segments.splice(0)) segment.close();
  }
}

/** Splits the vectors into `parts` ranges with about equally many keys each. @returns the bounds of the ranges */
function shareOut(
  { keys, offsets }: CheckedBags,
  vectors: number,
  gathers: boolean,
  parts: number,
): number[] {
  const bounds = [0];
  for (let part = 1; part < parts; part++) {
    const key = Math.floor((keys.length * part) / parts);
    bounds.push(gathers ? key : firstAtLeast(offsets, key));
  }
  return [...bounds, vectors];
}

/** The first bag that starts at or after `key`; offsets do not decrease. */
function firstAtLeast(offsets: Uint32Array, key: number): number {
  let [low, high] = [0, offsets.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
