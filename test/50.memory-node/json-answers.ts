// Asks nodes in JSON, and merges their answers.
import { expect } from 'vitest';
import { type FlexemrError, type Pooled, reference } from '../../src/index.ts';
import type { Cluster } from '../cluster.ts';
import type { JsonBags, JsonNumber } from './json-bags.ts';

interface JsonShard {
  readonly shard: number;
  readonly begin: number;
  readonly end: number;
  readonly partial: boolean;
  readonly bags?: JsonNumber[][];
  readonly values?: JsonNumber[][];
  readonly counts: number[];
  readonly denominators?: JsonNumber[];
}

export interface JsonFeature {
  readonly dim: number;
  readonly shards: JsonShard[];
  readonly missing: number[];
  readonly padded: number[];
  readonly defaulted: number[];
}

/** Sends a lookup to every node of a cluster. @returns the answers for each feature, after JSON */
export async function askAll(
  cluster: Cluster,
  bags: Record<string, JsonBags>,
  onMissing?: string,
): Promise<Map<string, JsonFeature[]>> {
  const answers = new Map(Object.keys(bags).map((name) => [name, [] as JsonFeature[]]));
  const errors: FlexemrError[] = [];
  for (const handler of cluster.handlers.values()) {
    const held = new Set(handler.describe().tables.map(({ name }) => name));
    const own = Object.entries(bags).filter(([, { table }]) => held.has(table));
    const body = JSON.parse(JSON.stringify({ bags: Object.fromEntries(own), onMissing }));
    const answer = await handler.lookupJson(body).catch((error: FlexemrError) => errors.push(error));
    if (typeof answer === 'number') continue;
    const { features } = JSON.parse(JSON.stringify(answer)) as { features: Record<string, JsonFeature> };
    expect(Object.keys(features)).toEqual(own.map(([name]) => name));
    for (const [name, feature] of Object.entries(features)) answers.get(name)?.push(feature);
  }
  // Each node checks only its own keys. One process would report the first of all errors.
  const [first] = errors.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  if (first) throw first;
  return answers;
}

/** Merges the answers of several nodes as documented in docs/openapi.json. */
export function merge(mode: string, weighted: boolean, answers: readonly JsonFeature[]): Partial<Pooled> {
  const { dim } = answers[0];
  const shards = answers.flatMap((answer) => answer.shards).sort((a, b) => a.begin - b.begin);
  const positions = (outcome: 'missing' | 'padded' | 'defaulted'): Uint32Array =>
    Uint32Array.from(answers.flatMap((answer) => answer[outcome])).sort();
  const [first] = shards;
  const length = first === undefined ? 0 : first.counts.length;
  const counts = new Uint32Array(length).map((_, i) =>
    shards.reduce((sum, shard) => sum + shard.counts[i], 0),
  );
  const values = new Float32Array(length * dim);
  for (let i = 0; i < length; i++) {
    const partials = shards.map(({ bags, values: rows, counts: own, denominators }) => ({
      values: Float32Array.from((bags ?? rows ?? [])[i], Number),
      count: own[i],
      denominator: Number(denominators?.[i] ?? 0),
    }));
    const pooling = mode === 'none' ? 'sum' : (mode as reference.PoolingMode);
    const divided = shards.length === 1 && !shards[0].partial;
    const merged = divided ? partials[0].values : reference.mergePartials(pooling, dim, partials, weighted);
    values.set(merged, i * dim);
  }
  return {
    dim,
    values,
    counts,
    missing: positions('missing'),
    padded: positions('padded'),
    defaulted: positions('defaulted'),
  };
}
