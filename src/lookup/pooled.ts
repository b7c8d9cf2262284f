import { FlexemrError } from '../errors.ts';
import { OUTCOME_DEFAULTED, OUTCOME_MISSING, OUTCOME_PADDED } from '../kernel/layout.ts';
import * as layout from '../kernel/result-layout.ts';
import { resultBytesMax } from '../limits.ts';
import { EXCEPTION_OUTCOME_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import type { AnsweredUpdates, LookupUpdates } from './answered-updates.ts';
import { FeatureNames } from './bag-reader.ts';
import { type MergedResults, ResultMemory } from './result-memory.ts';

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
  /**
   * The row updates that the results have, by table: one entry per shard that answered. Tables that take no updates are not
   * listed. It says nothing of bags that the cache answered: a table is listed only if a node was asked.
   */
  readonly updates: LookupUpdates;
}

/** A reply, by frame, that holds results which were not merged. Releasing it lets its memory be reused. */
export interface HeldReply {
  readonly bytes: Uint8Array;
  release(): void;
}

/** What the results of a lookup are in, for another thread. */
export interface PooledParts {
  readonly results: Uint8Array;
  /** By frame. */
  readonly replies: readonly (HeldReply | undefined)[];
  /** What AnsweredUpdates is made of. */
  readonly updates: Uint32Array;
}

/** What is said of results beside them. */
export interface ResultNotes {
  readonly failures?: readonly FlexemrError[];
  /** By feature: the results that lack rows. */
  readonly incomplete?: ReadonlyMap<number, Uint32Array>;
  readonly updates?: AnsweredUpdates | undefined;
}

const none: Uint32Array = new Uint32Array();
const noNames = new FeatureNames([]);
const noFailures: readonly FlexemrError[] = [];
const noUpdates: LookupUpdates = new Map();
const noNotes: ResultNotes = {};
const allComplete: ReadonlyMap<number, Uint32Array> = new Map();

/** A Lookup that makes the views of a feature's results when they are looked at. */
export class PooledLookup implements Lookup {
  readonly failures: readonly FlexemrError[];
  #names: FeatureNames;
  readonly #memory: ResultMemory;
  readonly #replies: readonly (HeldReply | undefined)[];
  readonly #incomplete: ReadonlyMap<number, Uint32Array>;
  readonly #updates: AnsweredUpdates | undefined;
  #made: Pooled[] | undefined;
  #byTable: LookupUpdates | undefined;

  /** @param replies by frame */
  constructor(
    names: FeatureNames,
    merged: MergedResults,
    replies: readonly (HeldReply | undefined)[],
    { failures = noFailures, incomplete = allComplete, updates }: ResultNotes = noNotes,
  ) {
    this.failures = failures;
    this.#updates = updates;
    this.#names = names;
    this.#memory = new ResultMemory(merged);
    this.#replies = replies;
    this.#incomplete = incomplete;
  }

  /** What its results are in. */
  get parts(): PooledParts {
    const updates = this.#updates?.words ?? none;
    return { results: this.#memory.bytes, replies: this.#replies, updates };
  }

  get updates(): LookupUpdates {
    this.#byTable ??= this.#updates?.byTable ?? noUpdates;
    return this.#byTable;
  }

  /** By feature: the results that lack rows. */
  get incomplete(): ReadonlyMap<number, Uint32Array> {
    return this.#incomplete;
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
    this.#made[place] ??= new FeatureResults(
      this.#memory,
      this.#replies,
      place,
      this.#incomplete.get(place) ?? none,
    );
    return this.#made[place];
  }

  *entries(): MapIterator<[string, Pooled]> {
    for (let place = 0; place < this.size; place++) yield [this.#names.list[place], this.#pooled(place)];
  }

  *keys(): MapIterator<string> {
    yield* this.#names.list;
  }

  *values(): MapIterator<Pooled> {
    for (let place = 0; place < this.size; place++) yield this.#pooled(place);
  }

  forEach(callback: (pooled: Pooled, name: string, lookup: ReadonlyMap<string, Pooled>) => void): void {
    for (const [name, pooled] of this.entries()) callback(pooled, name, this);
  }

  [Symbol.iterator](): MapIterator<[string, Pooled]> {
    return this.entries();
  }

  [Symbol.dispose](): void {
    for (const reply of this.#replies) reply?.release();
    this.#memory.release();
    this.#names = noNames;
    this.#made = undefined;
  }
}

/** Where the results of one feature are. Each array is made when it is looked at. */
class FeatureResults implements Pooled {
  readonly dim: number;
  readonly incomplete: Uint32Array;
  readonly #memory: ResultMemory;
  /** The first word of its record (kernel/ask-layout.ts). */
  readonly #record: number;
  /** What values and counts are in: a reply, or the results. */
  readonly #bytes: Uint8Array;
  #values: Float32Array | undefined;
  #counts: Uint32Array | undefined;
  #distinct: DistinctBags | undefined;

  constructor(
    memory: ResultMemory,
    replies: readonly (HeldReply | undefined)[],
    place: number,
    incomplete: Uint32Array,
  ) {
    this.#memory = memory;
    this.#record = (place * layout.RESULT_BYTES) >>> 2;
    this.#bytes = replies[this.#at(layout.RESULT_FRAME)]?.bytes ?? memory.bytes;
    this.dim = this.#at(layout.RESULT_DIM);
    this.incomplete = incomplete;
  }

  #at(field: number): number {
    return this.#memory.words[this.#record + (field >>> 2)];
  }

  get values(): Float32Array {
    this.#values ??=
      this.distinct === undefined ? this.#bagValues() : repeatValues(this.#memory, this.dim, this.distinct);
    return this.#values;
  }

  get counts(): Uint32Array {
    const { distinct } = this;
    this.#counts ??= distinct?.inverse.map((bag) => distinct.counts[bag]) ?? this.#bagCounts();
    return this.#counts;
  }

  get distinct(): DistinctBags | undefined {
    const at = this.#at(layout.RESULT_INVERSE);
    if (at === 0 || this.#distinct !== undefined) return this.#distinct;
    const inverse = this.#memory.wordsAt(at, this.#at(layout.RESULT_RESULTS));
    this.#distinct = { values: this.#bagValues(), counts: this.#bagCounts(), inverse };
    return this.#distinct;
  }

  #bagValues(): Float32Array {
    const { buffer, byteOffset } = this.#bytes;
    const at = byteOffset + this.#at(layout.RESULT_VALUES);
    return new Float32Array(buffer as ArrayBuffer, at, this.#at(layout.RESULT_BAGS) * this.dim);
  }

  #bagCounts(): Uint32Array {
    const { buffer, byteOffset } = this.#bytes;
    const at = byteOffset + this.#at(layout.RESULT_COUNTS);
    return new Uint32Array(buffer as ArrayBuffer, at, this.#at(layout.RESULT_BAGS));
  }

  get missing(): Uint32Array {
    return this.#positions(OUTCOME_MISSING);
  }

  get defaulted(): Uint32Array {
    return this.#positions(OUTCOME_DEFAULTED);
  }

  get padded(): Uint32Array {
    const unsent = this.#at(layout.RESULT_PADDED_COUNT);
    // Nodes get padding keys only in mode `none`.
    if (unsent === 0) return this.#positions(OUTCOME_PADDED);
    return this.#memory.wordsAt(this.#at(layout.RESULT_PADDED), unsent);
  }

  /** The positions of the keys that have this outcome. */
  #positions(outcome: number): Uint32Array {
    const count = this.#at(layout.RESULT_EXCEPTION_COUNT);
    if (count === 0) return none;
    return this.#memory
      .wordsAt(this.#at(layout.RESULT_EXCEPTIONS), count)
      .filter((exception) => exception >>> EXCEPTION_OUTCOME_SHIFT === outcome)
      .map((exception) => exception & EXCEPTION_POSITION_MASK);
  }
}

/** @throws OUT_OF_MEMORY */
function repeatValues(memory: ResultMemory, dim: number, { values, inverse }: DistinctBags): Float32Array {
  const bytes = inverse.length * dim * 4;
  if (bytes > resultBytesMax) {
    const message = `the results of one feature have ${bytes} bytes, more than ${resultBytesMax}; use those of its distinct bags, or split the batch`;
    throw new FlexemrError('OUT_OF_MEMORY', message, { field: 'bags', value: bytes });
  }
  const all = memory.floats(inverse.length * dim);
  for (let i = 0; i < inverse.length; i++)
    all.set(values.subarray(inverse[i] * dim, (inverse[i] + 1) * dim), i * dim);
  return all;
}
