// Merges the partials of several shards, or of fetched rows, in shard order, and divides once.
import { writeMergeCall } from '../kernel/call.ts';
import { CALL_BYTES, SCRATCH_BYTES } from '../kernel/layout.ts';
import type { Pooled } from '../lookup/pooled.ts';
import type { Reply } from '../wire/reply.ts';
import { type Feature, resultsOf } from './feature.ts';
import { poolFetched } from './fetched.ts';
import type { Partials } from './partials.ts';
import type { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

/** Pooled vectors of a feature. @param held its segments that have a reply, in shard order */
export function merge(
  workspace: Workspace,
  feature: Feature,
  held: readonly Segment[],
): Pick<Pooled, 'values' | 'counts'> {
  const vectors = resultsOf(feature);
  const { table } = feature;
  const { dim } = table.spec;
  const most = held.reduce((bytes, segment) => Math.max(bytes, roomOf(segment)), 0);
  workspace.begin(vectors * (dim * 4 + 8) + most + SCRATCH_BYTES, 24);
  const [call, scratch] = [workspace.take(CALL_BYTES), workspace.take(SCRATCH_BYTES)];
  const out = workspace.take(vectors * dim * 4);
  const outCounts = workspace.take(vectors * 4);
  const outDenominators = workspace.take(vectors * 4);
  workspace.bytes.fill(0, outCounts, outCounts + vectors * 4);
  const weighted = held.some(({ cut }) => cut.weights !== undefined);
  const output = { out, outCounts, outDenominators: weighted ? outDenominators : 0 };
  const mark = workspace.take(0);
  for (const segment of held) {
    const { cut, fetching, reply } = segment;
    if (reply === undefined) continue;
    workspace.rewind(mark);
    const partials = fetching
      ? poolFetched(workspace, segment, reply, fetching, { call, scratch })
      : putPushed(workspace, segment, reply);
    const bagNumbers = cut.bagNumbers === undefined ? 0 : workspace.put(cut.bagNumbers);
    const shape = { bags: segment.results, dim, mode: table.pooling };
    writeMergeCall(workspace.words, call, shape, { ...partials, bagNumbers, ...output });
    workspace.kernels.merge(call);
  }
  const none = { partials: 0, counts: 0, denominators: 0, bagNumbers: 0 };
  writeMergeCall(workspace.words, call, { bags: vectors, dim, mode: table.pooling }, { ...none, ...output });
  workspace.kernels.divide(call);
  return { values: workspace.floatsAt(out, vectors * dim), counts: workspace.wordsAt(outCounts, vectors) };
}

/** Bytes that one segment needs in the workspace while it is merged. */
function roomOf({ cut, fetching, table, results: vectors }: Segment): number {
  const results = vectors * (table.vectorBytes + 12);
  if (!fetching) return results;
  const keys = fetching.inverse.length;
  const weights = cut.weights ? keys * 4 : 0;
  return results + fetching.unique.length * table.rowBytes + keys * 5 + weights + (vectors + 1) * 4;
}

/** Copies the results of a segment that its node pooled into the workspace. */
function putPushed(workspace: Workspace, segment: Segment, reply: Reply): Partials {
  const { vectors, table, valuesAt, countsAt, denominatorsAt, denominators } = segment;
  return {
    partials: workspace.put(reply.floats(valuesAt, vectors * table.spec.dim)),
    counts: workspace.put(reply.counts(countsAt, vectors)),
    denominators: denominators ? workspace.put(reply.floats(denominatorsAt, vectors)) : 0,
  };
}
