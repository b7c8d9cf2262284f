import type { Pooled } from '../lookup/pooled.ts';
import { outcomesOf } from './exceptions.ts';
import { type Feature, resultsOf } from './feature.ts';
import { merge } from './merge.ts';
import type { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

const none: Uint32Array = new Uint32Array();

/** The pooled vectors of one feature, from the replies of its nodes. */
export function pooledOf(workspace: Workspace, feature: Feature): Pooled {
  const { segments } = feature;
  const failed = segments.some(({ reply }) => reply === undefined);
  const held = failed ? segments.filter(({ reply }) => reply !== undefined) : segments;
  const { values, counts } = asPooledThere(feature, held) ?? merge(workspace, feature, held);
  const { missing, defaulted, padded } = outcomesOf(feature, held);
  const incomplete = failed ? incompleteOf(feature) : none;
  return { dim: feature.table.spec.dim, values, counts, missing, defaulted, padded, incomplete };
}

/** If one shard holds the whole table and its node has pooled the rows, the results are views of the reply. */
function asPooledThere(
  feature: Feature,
  held: readonly Segment[],
): Pick<Pooled, 'values' | 'counts'> | undefined {
  if (held.length !== 1) return undefined;
  const { reply, partial, fetching, valuesAt, countsAt } = held[0];
  if (partial || fetching !== undefined || reply === undefined) return undefined;
  const vectors = resultsOf(feature);
  reply.viewed = true;
  return {
    values: reply.floats(valuesAt, vectors * feature.table.spec.dim),
    counts: reply.counts(countsAt, vectors),
  };
}

/** Bags that lack the rows that a failed node holds. */
function incompleteOf(feature: Feature): Uint32Array {
  const bags = new Set<number>();
  for (const { reply, cut } of feature.segments) {
    if (reply !== undefined) continue;
    const numbers = cut.bagNumbers ?? Uint32Array.from({ length: resultsOf(feature) }, (_, i) => i);
    for (const bag of numbers) bags.add(bag);
  }
  return Uint32Array.from(bags).sort();
}
