import type { Pooled } from '../lookup/pooled.ts';
import { fatesOf } from './exceptions.ts';
import { type Feature, resultsOf } from './feature.ts';
import { merge } from './merge.ts';
import type { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

const none: Uint32Array = new Uint32Array();

/** The pooled vectors of one feature, of what its nodes have answered. */
export function pooledOf(workspace: Workspace, feature: Feature): Pooled {
  const { segments } = feature;
  const failed = segments.some(({ part }) => part === undefined);
  const held = failed ? segments.filter(({ part }) => part !== undefined) : segments;
  const { values, counts } = asPooledThere(feature, held) ?? merge(workspace, feature, held);
  const { missing, defaulted, padded } = fatesOf(held);
  const incomplete = failed ? incompleteOf(feature) : none;
  return { dim: feature.table.spec.dim, values, counts, missing, defaulted, padded, incomplete };
}

/** Where one shard holds the whole table, its node has done everything: its results are views of the reply. */
function asPooledThere(
  feature: Feature,
  held: readonly Segment[],
): Pick<Pooled, 'values' | 'counts'> | undefined {
  if (held.length !== 1) return undefined;
  const { part, partial, fetching } = held[0];
  if (partial || fetching !== undefined || part === undefined) return undefined;
  const vectors = resultsOf(feature);
  part.reply.viewed = true;
  return {
    values: part.reply.floats(part.values, vectors * feature.table.spec.dim),
    counts: part.reply.counts(part.counts, vectors),
  };
}

/** Bags that lack what a failed node holds of them. */
function incompleteOf(feature: Feature): Uint32Array {
  const bags = new Set<number>();
  for (const { part, cut } of feature.segments) {
    if (part !== undefined) continue;
    const numbers = cut.bagNumbers ?? Uint32Array.from({ length: resultsOf(feature) }, (_, i) => i);
    for (const bag of numbers) bags.add(bag);
  }
  return Uint32Array.from(bags).sort();
}
