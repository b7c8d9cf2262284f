import { FlexemrError } from '../errors.ts';
import { writePoolCall } from '../kernel/call.ts';
import { DONE } from '../kernel/layout.ts';
import type { Reply } from '../wire/reply.ts';
import type { Fetching } from './choose.ts';
import { absentRows } from './exceptions.ts';
import type { Partials } from './partials.ts';
import type { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

/** Pools fetched rows in the ranker. The same kernel on the same bytes gives the same bits as on the node. */
export function poolFetched(
  workspace: Workspace,
  segment: Segment,
  reply: Reply,
  fetching: Fetching,
  { call, scratch }: { readonly call: number; readonly scratch: number },
): Partials {
  const { table, cut, results: vectors, valuesAt } = segment;
  const unique = segment.keysSent;
  const { dim } = table.spec;
  const rows = workspace.put(reply.bytes.subarray(valuesAt, valuesAt + unique * table.rowBytes));
  const buffers = {
    keys: putKeys(workspace, fetching.inverse, absentRows(segment), unique),
    keyBytes: 4,
    keyCount: fetching.inverse.length,
    offsets: cut.offsets ? workspace.put(cut.offsets) : 0,
    weights: cut.weights ? workspace.put(cut.weights) : 0,
    outcomes: workspace.take(fetching.inverse.length),
    out: workspace.take(vectors * dim * 4),
    counts: workspace.take(vectors * 4),
    denominators: workspace.take(vectors * 4),
    scratch,
  } as const;
  const { rowBytes, dtype } = table;
  const shard = {
    ...{ address: rows, rows: unique, rowBase: 0, tableRows: unique, rowBytes, dim, dtype },
    ...{ finite: false, defaultRow: 0, last: true },
  };
  writePoolCall(workspace.words, call, shard, buffers, {
    ...{ mode: table.pooling, partial: true, touch: false, padding: undefined, missing: 'skip' },
    ...{ begin: 0, end: vectors, firstKey: 0 },
  });
  const kernel = table.mode === 'none' ? 'gather' : 'pool';
  if (workspace.kernels[kernel](call, 0xffffffff) !== DONE)
    throw new FlexemrError('INVALID_FRAME', 'the fetched rows cannot be pooled', {
      node: segment.place.shard.node,
    });
  const { out, counts, denominators } = buffers;
  return { partials: out, counts, denominators: cut.weights ? denominators : 0 };
}

/**
 * Writes the position of each key's row among the fetched rows. A key without a row gets the position after the last
 * row, which the kernel skips.
 */
function putKeys(
  workspace: Workspace,
  inverse: Uint32Array,
  absent: readonly number[],
  unique: number,
): number {
  const at = workspace.put(inverse);
  if (absent.length === 0) return at;
  const gone = new Set(absent);
  for (let i = 0; i < inverse.length; i++) if (gone.has(inverse[i])) workspace.words[(at >>> 2) + i] = unique;
  return at;
}
