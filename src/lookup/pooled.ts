import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { OUTCOME_DEFAULTED, OUTCOME_MISSING, OUTCOME_PADDED } from '../kernel/layout.ts';
import { resultBytesMax } from '../limits.ts';
import { EXCEPTION_OUTCOME_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import { FeatureNames } from './bag-reader.ts';

/** The pooled vectors of one feature. */
export interface Pooled {
  readonly dim: number;
  /** f32 [results, dim]: one result per bag, or per entry of `inverse`; for mode `none` [keys, dim]. */
  readonly values: Float32Array;
  /** u32 [results]: rows pooled into each; for mode `none` [keys]: 1, or 0 if there was no row. */
  readonly counts: Uint32Array;
  /** The same without repetition, if several results are of one bag: because of `inverse`, or of equal bags. */
  readonly distinct: DistinctBags | undefined;
  /** Positions in `keys` of the keys that have no row and were skipped. */
  readonly missing: Uint32Array;
  /** Positions of keys without a row for which the default row was used. */
  readonly defaulted: Uint32Array;
  /** Positions of the padding key. */
  readonly padded: Uint32Array;
  /** Results that lack rows of a failed memory node (`onFailure: 'partial'`). */
  readonly incomplete: Uint32Array;
}

/** The pooled vectors of bags, each once. */
export interface DistinctBags {
  /** f32 [bags, dim]. */
  readonly values: Float32Array;
  /** u32 [bags]. */
  readonly counts: Uint32Array;
  /** u32 [results]: which of these bags each result is of. */
  readonly inverse: Uint32Array;
}

/**
 * Pooled vectors by feature, in the order of the request. They are valid as long as something refers to them. Disposing
 * of the lookup (`using`) lets their memory be reused without garbage collection; do not use the vectors afterwards.
 */
export interface Lookup extends ReadonlyMap<string, Pooled>, Disposable {
  /** Why some bags are incomplete: one error per memory node that failed, if the caller allowed that. */
  readonly failures: readonly FlexemrError[];
}

/** A reply, by frame, that holds results which were not merged. Releasing it lets its memory be reused. */
export interface HeldReply {
  readonly bytes: Uint8Array;
  release(): void;
}

const none: Uint32Array = new Uint32Array();

/** A Lookup that makes the views of a feature's results when they are looked at. */
export class PooledLookup implements Lookup {
  readonly failures: readonly FlexemrError[];
  #names: FeatureNames;
  readonly #results: ArrayBuffer;
  readonly #replies: readonly (HeldReply | undefined)[];
  readonly #incomplete: ReadonlyMap<number, Uint32Array>;
  #made: Pooled[] | undefined;

  /**
   * @param results RESULT_* (kernel/ask-layout.ts) @param replies by frame
   * @param incomplete by feature: the results that lack rows
   */
  constructor(
    names: FeatureNames,
    results: ArrayBuffer,
    replies: readonly (HeldReply | undefined)[],
    failures: readonly FlexemrError[] = [],
    incomplete: ReadonlyMap<number, Uint32Array> = new Map(),
  ) {
    this.failures = failures;
    this.#names = names;
    this.#results = results;
    this.#replies = replies;
    this.#incomplete = incomplete;
  }

  get size(): number {
    return this.#names.list.length;
  }

  get(name: string): Pooled | undefined {
    const place = this.#names.place(name);
    return place === undefined ? undefined : this.#pooled(place);
  }

  has(name: string): boolean {
    return this.#names.place(name) !== undefined;
  }

  #pooled(place: number): Pooled {
    this.#made ??= [];
    this.#made[place] ??= pooledOf(this.#results, this.#replies, place, this.#incomplete.get(place) ?? none);
    return this.#made[place];
  }

  *entries(): MapIterator<[string, Pooled]> {
    for (const [place, name] of this.#names.list.entries()) yield [name, this.#pooled(place)];
  }

  *keys(): MapIterator<string> {
    yield* this.#names.list;
  }

  *values(): MapIterator<Pooled> {
    for (const [, pooled] of this.entries()) yield pooled;
  }

  forEach(callback: (pooled: Pooled, name: string, lookup: ReadonlyMap<string, Pooled>) => void): void {
    for (const [name, pooled] of this.entries()) callback(pooled, name, this);
  }

  [Symbol.iterator](): MapIterator<[string, Pooled]> {
    return this.entries();
  }

  [Symbol.dispose](): void {
    for (const reply of this.#replies) reply?.release();
    this.#names = noNames;
    this.#made = undefined;
  }
}

const noNames = new FeatureNames([]);

/** Views of the results of one feature. */
function pooledOf(
  results: ArrayBuffer,
  replies: readonly (HeldReply | undefined)[],
  place: number,
  incomplete: Uint32Array,
): Pooled {
  const record = new Uint32Array(results, place * layout.RESULT_BYTES, layout.RESULT_BYTES >>> 2);
  const at = (field: number): number => record[field >>> 2];
  const frame = at(layout.RESULT_FRAME);
  const { buffer, byteOffset } = replies[frame]?.bytes ?? new Uint8Array(results);
  const [dim, bags, inverseAt] = [at(layout.RESULT_DIM), at(layout.RESULT_BAGS), at(layout.RESULT_INVERSE)];
  const values = new Float32Array(buffer as ArrayBuffer, byteOffset + at(layout.RESULT_VALUES), bags * dim);
  const counts = new Uint32Array(buffer as ArrayBuffer, byteOffset + at(layout.RESULT_COUNTS), bags);
  const exceptions = new Uint32Array(results, at(layout.RESULT_EXCEPTIONS), at(layout.RESULT_EXCEPTION_COUNT));
  const unsent = new Uint32Array(results, at(layout.RESULT_PADDED), at(layout.RESULT_PADDED_COUNT));
  const keys = {
    missing: positionsOf(exceptions, OUTCOME_MISSING),
    defaulted: positionsOf(exceptions, OUTCOME_DEFAULTED),
    // Nodes get padding keys only in mode `none`.
    padded: unsent.length > 0 ? unsent : positionsOf(exceptions, OUTCOME_PADDED),
    incomplete,
  };
  if (inverseAt === 0) return { dim, values, counts, distinct: undefined, ...keys };
  const inverse = new Uint32Array(results, inverseAt, at(layout.RESULT_RESULTS));
  return repeated(dim, { values, counts, inverse }, keys);
}

/** Results of bags that several of them share. They are copied when they are looked at. */
function repeated(
  dim: number,
  distinct: DistinctBags,
  keys: Omit<Pooled, 'dim' | 'values' | 'counts' | 'distinct'>,
): Pooled {
  let [values, counts]: [Float32Array | undefined, Uint32Array | undefined] = [undefined, undefined];
  return {
    dim,
    get values() {
      values ??= repeatValues(dim, distinct);
      return values;
    },
    get counts() {
      counts ??= distinct.inverse.map((bag) => distinct.counts[bag]);
      return counts;
    },
    distinct,
    ...keys,
  };
}

/** @throws OUT_OF_MEMORY */
function repeatValues(dim: number, { values, inverse }: DistinctBags): Float32Array {
  const bytes = inverse.length * dim * 4;
  if (bytes > resultBytesMax) {
    const message = `the results of one feature have ${bytes} bytes, more than ${resultBytesMax}; use those of its distinct bags, or split the batch`;
    throw new FlexemrError('OUT_OF_MEMORY', message, { field: 'bags', value: bytes });
  }
  const all = new Float32Array(inverse.length * dim);
  for (let i = 0; i < inverse.length; i++)
    all.set(values.subarray(inverse[i] * dim, (inverse[i] + 1) * dim), i * dim);
  return all;
}

function positionsOf(exceptions: Uint32Array, outcome: number): Uint32Array {
  if (exceptions.length === 0) return none;
  return exceptions
    .filter((exception) => exception >>> EXCEPTION_OUTCOME_SHIFT === outcome)
    .map((exception) => exception & EXCEPTION_POSITION_MASK);
}
