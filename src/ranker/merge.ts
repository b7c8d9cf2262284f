// Partials of several shards, or of fetched rows: merged in shard order, divided once.
import { writeMergeCall } from '../kernel/call.ts';
import { CALL_BYTES, SCRATCH_BYTES } from '../kernel/layout.ts';
import type { Pooled } from '../lookup/pooled.ts';
import { type Answered, type AskedFeature, resultsOf } from './answered.ts';
import { vectorsOf } from './choose.ts';
import { poolFetched } from './fetched.ts';
import type { Workspace } from './workspace.ts';

/** Addresses of one segment's partials. */
export interface Partials {
  readonly partials: number;
  readonly counts: number;
  readonly denominators: number;
}

/** Pooled vectors of a feature. @param held its segments that were answered, in shard order */
export function merge(
  workspace: Workspace,
  feature: AskedFeature,
  held: readonly Answered[],
): Pick<Pooled, 'values' | 'counts'> {
  const vectors = resultsOf(feature);
  const { table } = feature;
  const { dim } = table.spec;
  const most = held.reduce((bytes, answered) => Math.max(bytes, roomOf(answered)), 0);
  workspace.begin(vectors * (dim * 4 + 8) + most + SCRATCH_BYTES, 24);
  const [call, scratch] = [workspace.take(CALL_BYTES), workspace.take(SCRATCH_BYTES)];
  const out = workspace.take(vectors * dim * 4);
  const outCounts = workspace.take(vectors * 4);
  const outDenominators = workspace.take(vectors * 4);
  workspace.bytes.fill(0, outCounts, outCounts + vectors * 4);
  const weighted = held.some(({ segment }) => segment.cut.weights !== undefined);
  const output = { out, outCounts, outDenominators: weighted ? outDenominators : 0 };
  const mark = workspace.take(0);
  for (const answered of held) {
    const { cut, fetching } = answered.segment;
    workspace.rewind(mark);
    const partials = fetching
      ? poolFetched(workspace, answered, call, scratch)
      : putPushed(workspace, answered);
    const bagNumbers = cut.bagNumbers === undefined ? 0 : workspace.put(cut.bagNumbers);
    const shape = { bags: vectorsOf(table, cut), dim, mode: table.pooling };
    writeMergeCall(workspace.words, call, shape, { ...partials, bagNumbers, ...output });
    workspace.kernels.merge(call);
  }
  const none = { partials: 0, counts: 0, denominators: 0, bagNumbers: 0 };
  writeMergeCall(workspace.words, call, { bags: vectors, dim, mode: table.pooling }, { ...none, ...output });
  workspace.kernels.divide(call);
  return { values: workspace.floatsAt(out, vectors * dim), counts: workspace.wordsAt(outCounts, vectors) };
}

/** Room for one segment on its way to being merged. */
function roomOf({ segment }: Answered): number {
  const { cut, fetching, table } = segment;
  const vectors = vectorsOf(table, cut);
  const results = vectors * (table.spec.dim * 4 + 12);
  if (!fetching) return results;
  const keys = fetching.inverse.length;
  return results + fetching.unique.length * table.rowBytes + keys * 13 + (vectors + 1) * 4;
}

/** What a node pooled. */
function putPushed(workspace: Workspace, { segment, subrequest, position }: Answered): Partials {
  const { reply, places } = subrequest;
  if (reply === undefined) throw new RangeError('a segment without a reply cannot be merged');
  const vectors = vectorsOf(segment.table, segment.cut);
  const denominators = places.denominators[position];
  const denominated = (places.denominators[position + 1] ?? places.end) > denominators;
  return {
    partials: workspace.put(reply.floats(places.values[position], vectors * segment.table.spec.dim)),
    counts: workspace.put(reply.counts(places.counts[position], vectors)),
    denominators: denominated ? workspace.put(reply.floats(denominators, vectors)) : 0,
  };
}
