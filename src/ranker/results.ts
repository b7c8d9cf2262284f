import type { Pooled } from '../lookup/pooled.ts';
import { type Answered, type AskedFeature, resultsOf } from './answered.ts';
import { fatesOf } from './exceptions.ts';
import { merge } from './merge.ts';
import type { Workspace } from './workspace.ts';

const none: Uint32Array = new Uint32Array();

/** The pooled vectors of one feature. @param answered its segments, in shard order */
export function pooledOf(workspace: Workspace, feature: AskedFeature, answered: readonly Answered[]): Pooled {
  const failed = answered.filter(({ subrequest }) => subrequest.reply === undefined);
  const held = failed.length === 0 ? answered : answered.filter((own) => !failed.includes(own));
  return {
    dim: feature.table.spec.dim,
    ...(asPooledThere(feature, held) ?? merge(workspace, feature, held)),
    ...fatesOf(held),
    incomplete: failed.length === 0 ? none : incomplete(feature, failed),
  };
}

/** Where one shard holds the whole table, its node has done everything: its results are views of the reply. */
function asPooledThere(
  feature: AskedFeature,
  held: readonly Answered[],
): Pick<Pooled, 'values' | 'counts'> | undefined {
  if (held.length !== 1) return undefined;
  const { segment, subrequest, position } = held[0];
  const { reply, places } = subrequest;
  if (segment.partial || segment.fetching || segment.cut.bagNumbers || reply === undefined) return undefined;
  const vectors = resultsOf(feature);
  return {
    values: reply.floats(places.values[position], vectors * feature.table.spec.dim),
    counts: reply.counts(places.counts[position], vectors),
  };
}

/** Bags that lack what a failed node holds of them. */
function incomplete(feature: AskedFeature, failed: readonly Answered[]): Uint32Array {
  const bags = new Set<number>();
  for (const { segment } of failed) {
    const numbers = segment.cut.bagNumbers ?? Uint32Array.from({ length: resultsOf(feature) }, (_, i) => i);
    for (const bag of numbers) bags.add(bag);
  }
  return Uint32Array.from(bags).sort();
}
