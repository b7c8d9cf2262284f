// From replies to pooled vectors: partials merged in shard order, divided once.
import { FlexemrError } from '../errors.ts';
import { writeMergeCall, writePoolCall } from '../kernel/call.ts';
import * as layout from '../kernel/layout.ts';
import type { Pooled } from '../lookup/pooled.ts';
import type { CheckedBags } from '../plan/checked-bags.ts';
import { EXCEPTION_FATE_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import { vectorsOf } from './choose.ts';
import type { RoutedTable } from './routed-table.ts';
import type { Segment } from './segment.ts';
import type { Subrequest } from './subrequest.ts';
import type { Workspace } from './workspace.ts';

/** A segment, and which of which subrequest's it is. */
export interface Answered {
  readonly segment: Segment;
  readonly subrequest: Subrequest;
  /** Position among the subrequest's segments. */
  readonly position: number;
}

/** A feature as the lookup asked for it. */
export interface AskedFeature {
  readonly table: RoutedTable;
  readonly bags: CheckedBags;
}

/** Keys of one segment that were not simply pooled: position in the feature's keys, and fate. */
interface Exception {
  readonly position: number;
  readonly fate: number;
}

/** The pooled vectors of one feature. @param answered its segments, in shard order */
export function pooledOf(workspace: Workspace, feature: AskedFeature, answered: readonly Answered[]): Pooled {
  const held = answered.filter(({ subrequest }) => subrequest.reply !== undefined);
  const exceptions = held.flatMap(exceptionsOf).sort((a, b) => a.position - b.position);
  const withFate = (fate: number): Uint32Array =>
    Uint32Array.from(
      exceptions.filter((exception) => exception.fate === fate).map(({ position }) => position),
    );
  return {
    dim: feature.table.spec.dim,
    ...valuesOf(workspace, feature, held),
    missing: withFate(layout.FATE_MISSING),
    defaulted: withFate(layout.FATE_DEFAULTED),
    padded: withFate(layout.FATE_PADDED),
    incomplete: incompleteOf(feature, answered),
  };
}

function vectorsOfFeature({ table, bags }: AskedFeature): number {
  return table.mode === 'none' ? bags.keys.length : bags.offsets.length - 1;
}

function valuesOf(
  workspace: Workspace,
  feature: AskedFeature,
  held: readonly Answered[],
): Pick<Pooled, 'values' | 'counts'> {
  const vectors = vectorsOfFeature(feature);
  const { dim } = feature.table.spec;
  const [only] = held;
  const whole =
    held.length === 1 &&
    !only.segment.partial &&
    !only.segment.fetching &&
    only.segment.cut.bagNumbers === undefined;
  if (whole) {
    const { reply, places } = only.subrequest;
    const values = reply?.floats(places.values[only.position], vectors * dim);
    const counts = reply?.counts(places.counts[only.position], vectors);
    if (values && counts) return { values, counts };
  }
  return merged(workspace, feature, held, vectors);
}

function merged(
  workspace: Workspace,
  feature: AskedFeature,
  held: readonly Answered[],
  vectors: number,
): Pick<Pooled, 'values' | 'counts'> {
  const { table } = feature;
  const { dim } = table.spec;
  const perSegment = held.map(segmentRoom).reduce((most, bytes) => Math.max(most, bytes), 0);
  workspace.begin(vectors * (dim * 4 + 8) + perSegment + layout.SCRATCH_BYTES, 24);
  const out = workspace.take(vectors * dim * 4);
  const outCounts = workspace.take(vectors * 4);
  const outDenominators = workspace.take(vectors * 4);
  const call = workspace.take(layout.CALL_BYTES);
  const scratch = workspace.take(layout.SCRATCH_BYTES);
  workspace.bytes.fill(0, outCounts, outCounts + vectors * 4);
  const mark = workspace.take(0);
  const weighted = held.some(({ segment }) => segment.cut.weights !== undefined);
  const output = { out, outCounts, outDenominators: weighted ? outDenominators : 0 };
  for (const answered of held) {
    workspace.rewind(mark);
    const partials = answered.segment.fetching
      ? poolFetched(workspace, answered, call, scratch)
      : placePushed(workspace, answered);
    const numbers = answered.segment.cut.bagNumbers;
    const bagNumbers = numbers === undefined ? 0 : workspace.put(numbers);
    const shape = { bags: vectorsOf(table, answered.segment.cut), dim, mode: table.pooling };
    writeMergeCall(workspace.words, call, shape, { ...partials, bagNumbers, ...output });
    workspace.kernels.merge(call);
  }
  const shape = { bags: vectors, dim, mode: table.pooling };
  const none = { partials: 0, counts: 0, denominators: 0, bagNumbers: 0 };
  writeMergeCall(workspace.words, call, shape, { ...none, ...output });
  workspace.kernels.divide(call);
  return { values: workspace.floatsAt(out, vectors * dim), counts: workspace.wordsAt(outCounts, vectors) };
}

interface Partials {
  readonly partials: number;
  readonly counts: number;
  readonly denominators: number;
}

/** Room for one segment on its way to being merged. */
function segmentRoom({ segment }: Answered): number {
  const { cut, fetching, table } = segment;
  const vectors = vectorsOf(table, cut);
  const results = vectors * (table.spec.dim * 4 + 12);
  if (!fetching) return results;
  const keys = fetching.inverse.length;
  return results + fetching.unique.length * table.rowBytes + keys * 13 + (vectors + 1) * 4;
}

/** What a node pooled, copied beside what is there already. */
function placePushed(workspace: Workspace, { segment, subrequest, position }: Answered): Partials {
  const { reply, places } = subrequest;
  if (reply === undefined) throw new RangeError('a segment without a reply cannot be merged');
  const vectors = vectorsOf(segment.table, segment.cut);
  const floats = vectors * segment.table.spec.dim;
  const denominated = places.denominators[position + 1] ?? places.end;
  const has = denominated > places.denominators[position];
  return {
    partials: workspace.put(reply.floats(places.values[position], floats)),
    counts: workspace.put(reply.counts(places.counts[position], vectors)),
    denominators: has ? workspace.put(reply.floats(places.denominators[position], vectors)) : 0,
  };
}

/** Rows that were fetched, pooled here: the same kernel over the same bytes gives the same bits. */
function poolFetched(workspace: Workspace, answered: Answered, call: number, scratch: number): Partials {
  const { segment, subrequest, position } = answered;
  const { table, cut, fetching } = segment;
  const { reply, places } = subrequest;
  if (reply === undefined || fetching === undefined)
    throw new RangeError('there are no fetched rows to pool');
  const unique = table.indexed ? fetching.unique.length >>> 1 : fetching.unique.length;
  const vectors = vectorsOf(table, cut);
  const { dim } = table.spec;
  const begin = places.values[position];
  const rows = workspace.put(reply.bytes.subarray(begin, begin + unique * table.rowBytes));
  const keys = fetching.inverse;
  const keysAt = workspace.put(keys);
  // A key whose row was not there becomes one past the rows, which the kernel skips.
  for (const { key } of absent(answered)) {
    for (let i = 0; i < keys.length; i++) if (keys[i] === key) workspace.words[(keysAt >>> 2) + i] = unique;
  }
  const buffers = {
    keys: keysAt,
    keyBytes: 4,
    keyCount: keys.length,
    offsets: cut.offsets ? workspace.put(cut.offsets) : 0,
    weights: cut.weights ? workspace.put(cut.weights) : 0,
    fates: workspace.take(keys.length),
    out: workspace.take(vectors * dim * 4),
    counts: workspace.take(vectors * 4),
    denominators: workspace.take(vectors * 4),
    scratch,
  } as const;
  const shard = {
    address: rows,
    rows: unique,
    rowBase: 0,
    tableRows: unique,
    rowBytes: table.rowBytes,
    dim,
    dtype: table.dtype,
    finite: false,
    defaultRow: 0,
    last: true,
  };
  const kernel = table.mode === 'none' ? 'gather' : 'pool';
  writePoolCall(workspace.words, call, shard, buffers, {
    mode: table.pooling,
    partial: true,
    touch: false,
    padding: undefined,
    missing: 'skip',
    begin: 0,
    end: vectors,
    firstKey: 0,
  });
  if (workspace.kernels[kernel](call, 0xffffffff) !== layout.DONE)
    throw new FlexemrError('INVALID_FRAME', 'rows that were fetched cannot be pooled', {
      node: subrequest.node,
    });
  return {
    partials: buffers.out,
    counts: buffers.counts,
    denominators: cut.weights ? buffers.denominators : 0,
  };
}

/** Unique keys of a fetched segment that have no row to pool. */
function absent(answered: Answered): { readonly key: number }[] {
  return rawExceptions(answered)
    .filter(({ fate }) => fate !== layout.FATE_DEFAULTED)
    .map(({ position }) => ({ key: position }));
}

/** Exceptions of one segment: positions among the keys that were sent. */
function rawExceptions({ subrequest, position }: Answered): Exception[] {
  const { reply, segments } = subrequest;
  const all = reply?.exceptions;
  if (all === undefined || all.length === 0) return [];
  const sent = segments.map(({ cut, fetching, table }) => {
    const keys = fetching ? fetching.unique : cut.keys;
    return table.indexed ? keys.length >>> 1 : keys.length;
  });
  const begin = sent.slice(0, position).reduce((sum, keys) => sum + keys, 0);
  const end = begin + sent[position];
  return Array.from(all, (entry) => ({
    position: (entry & EXCEPTION_POSITION_MASK) - begin,
    fate: entry >>> EXCEPTION_FATE_SHIFT,
  })).filter((exception) => exception.position >= 0 && exception.position < end - begin);
}

/** Exceptions of one segment: positions in the feature's keys. */
function exceptionsOf(answered: Answered): Exception[] {
  const { cut, fetching } = answered.segment;
  const raw = rawExceptions(answered);
  const placed = (position: number): number => cut.positions?.[position] ?? position;
  if (fetching === undefined) return raw.map(({ position, fate }) => ({ position: placed(position), fate }));
  const fates = new Map(raw.map(({ position, fate }) => [position, fate]));
  if (fates.size === 0) return [];
  return [...fetching.inverse].flatMap((key, i) => {
    const fate = fates.get(key);
    return fate === undefined ? [] : [{ position: placed(i), fate }];
  });
}

/** Bags that lack what a failed node holds of them. */
function incompleteOf(feature: AskedFeature, answered: readonly Answered[]): Uint32Array {
  const failed = answered.filter(({ subrequest }) => subrequest.reply === undefined);
  if (failed.length === 0) return new Uint32Array();
  const vectors = vectorsOfFeature(feature);
  const all = failed.flatMap(({ segment }) =>
    segment.cut.bagNumbers ? [...segment.cut.bagNumbers] : Array.from({ length: vectors }, (_, i) => i),
  );
  return Uint32Array.from(new Set(all)).sort();
}
