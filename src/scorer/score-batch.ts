// Joins requests to one lookup. What a request says once for all of its candidates stays one row.
import type { Lookup } from '../lookup/pooled.ts';
import type { ModelPlan } from '../model/model-plan.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import type { CheckedRequest, FeatureBags } from './score-request.ts';

/** Rows of every request: one that stands for all of its candidates, or one per candidate. */
export type RowCounts = readonly number[];

/** What was looked up for one feature. */
export interface FeatureRows {
  readonly dim: number;
  /** Rows of every request. */
  readonly counts: RowCounts;
  /** f32 [vectors, dim]. */
  readonly values: Float32Array;
  /** Which vector each row is; undefined: row i is vector i. */
  readonly vectors: Uint32Array | undefined;
  /** Mode `none`: the vectors of row i are offsets[i] to offsets[i + 1]. */
  readonly offsets: Uint32Array;
}

/** Requests that are scored together. All of them have weights for the same features. */
export class ScoreBatch {
  readonly requests: readonly CheckedRequest[];
  readonly candidates: number;
  readonly #plan: ModelPlan;

  constructor(requests: readonly CheckedRequest[], plan: ModelPlan) {
    this.requests = requests;
    this.candidates = requests.reduce((sum, { candidates }) => sum + candidates, 0);
    this.#plan = plan;
  }

  /** Rows that each request has of a dense input. */
  denseCounts(dense: number): RowCounts {
    const { width } = this.#plan.dense[dense];
    return this.requests.map((request) => request.dense[dense].length / width);
  }

  /** Rows that each request has of a feature. */
  featureCounts(feature: number): RowCounts {
    return this.requests.map(({ features }) => features[feature].results);
  }

  /** The bags of all requests by feature, each once. */
  bags(): KeyedBags {
    const { features } = this.#plan;
    return Object.fromEntries(features.map(({ name, table }, i) => [name, { ...this.#joined(i), table }]));
  }

  #joined(feature: number): Bags {
    const parts = this.requests.map(({ features }) => features[feature]);
    const keyCount = parts.reduce((sum, part) => sum + part.keys.length, 0);
    const isNarrow = parts.every(({ keys }) => keys instanceof Uint32Array);
    const keys = isNarrow ? new Uint32Array(keyCount) : new BigUint64Array(keyCount);
    const weights = parts[0].weights && new Float32Array(keyCount);
    let key = 0;
    for (const part of parts) {
      copyKeys(part.keys, keys, key);
      if (part.weights) weights?.set(part.weights, key);
      key += part.keys.length;
    }
    return { keys, offsets: this.#offsets(parts), includeLastOffset: true, weights };
  }

  #offsets(parts: readonly FeatureBags[]): Uint32Array {
    const offsets = new Uint32Array(parts.reduce((sum, { bags }) => sum + bags, 0) + 1);
    let [key, bag] = [0, 0];
    for (const part of parts) {
      for (let own = 0; own < part.bags; own++) offsets[bag + own + 1] = key + part.offsets[own + 1];
      key += part.keys.length;
      bag += part.bags;
    }
    return offsets;
  }

  /** What a lookup of `bags` has found for a feature. */
  featureRows(feature: number, lookup: Lookup): FeatureRows {
    const { name, dim, mode } = this.#plan.features[feature];
    const found = lookup.get(name);
    const parts = this.requests.map(({ features }) => features[feature]);
    const repeated = mode === 'none' ? undefined : found?.distinct;
    return {
      dim,
      counts: parts.map(({ results }) => results),
      values: repeated?.values ?? found?.values ?? new Float32Array(),
      vectors: vectorsOf(parts, repeated?.inverse),
      offsets: mode === 'none' ? this.#offsets(parts) : new Uint32Array(),
    };
  }
}

/** Which vector the row of each result is. @param vectorOf which vector that of each bag is */
function vectorsOf(
  parts: readonly FeatureBags[],
  vectorOf: Uint32Array | undefined,
): Uint32Array | undefined {
  if (vectorOf === undefined && parts.every(({ inverse }) => inverse === undefined)) return undefined;
  const vectors = new Uint32Array(parts.reduce((sum, { results }) => sum + results, 0));
  let [row, bag] = [0, 0];
  for (const { results, inverse, bags } of parts) {
    for (let own = 0; own < results; own++) {
      const from = bag + (inverse?.[own] ?? own);
      vectors[row++] = vectorOf?.[from] ?? from;
    }
    bag += bags;
  }
  return vectors;
}

function copyKeys(from: FeatureBags['keys'], to: Uint32Array | BigUint64Array, at: number): void {
  if (to instanceof Uint32Array) to.set(from as Uint32Array, at);
  else if (from instanceof Uint32Array) for (let i = 0; i < from.length; i++) to[at + i] = BigInt(from[i]);
  else to.set(new BigUint64Array(from.buffer, from.byteOffset, from.length), at);
}
