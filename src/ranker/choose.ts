// Chooses push-down or fetch for each segment, whichever brings back fewer bytes.
import { DEDUPE_HEADER_BYTES } from '../kernel/layout.ts';
import { fetchShareMax } from '../limits.ts';
import { type CutSegment, vectorsOf } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';
import type { Workspace } from './workspace.ts';

/** `auto` decides by bytes. */
export type PushDown = 'auto' | 'always' | 'never';

/** The unique keys of a segment whose rows are fetched, and the index of each key among them. */
export interface Fetching {
  /** u32 or u64 as pairs of words, like the segment's keys. */
  readonly unique: Uint32Array;
  readonly inverse: Uint32Array;
}

/** Bytes of a segment's results: vectors, counts and denominators. */
function pushedBytes(table: RoutedTable, segment: CutSegment, partial: boolean): number {
  const denominators = partial && table.divides && segment.weights !== undefined;
  return vectorsOf(table, segment) * (table.vectorBytes + (denominators ? 8 : 4));
}

/** What to fetch; undefined if the node is to pool the segment. @throws OUT_OF_MEMORY */
export function chooseFetch(
  workspace: Workspace,
  table: RoutedTable,
  segment: CutSegment,
  partial: boolean,
  pushDown: PushDown,
): Fetching | undefined {
  if (pushDown === 'always') return undefined;
  const wide = table.indexed;
  const count = wide ? segment.keys.length >>> 1 : segment.keys.length;
  if (count === 0) return undefined;
  if (pushDown === 'never') return deduplicate(workspace, segment.keys, wide, count);
  // The most rows that are worth fetching. If the first keys already need more, the others need not be examined.
  const most = Math.ceil((pushedBytes(table, segment, partial) * fetchShareMax) / table.rowBytes) - 1;
  if (most < 1) return undefined;
  const prefix = 2 * (most + 1);
  if (
    prefix < count &&
    deduplicate(workspace, segment.keys, wide, prefix).unique.length > most * (wide ? 2 : 1)
  )
    return undefined;
  const fetching = deduplicate(workspace, segment.keys, wide, count);
  return fetching.unique.length <= most * (wide ? 2 : 1) ? fetching : undefined;
}

function deduplicate(workspace: Workspace, keys: Uint32Array, wide: boolean, count: number): Fetching {
  const entries = 2 ** Math.ceil(Math.log2(Math.max(16, count * 4)));
  const tableBytes = DEDUPE_HEADER_BYTES + entries * 4;
  workspace.begin(count * 20 + tableBytes, 4);
  const keysAt = workspace.take(count * 8);
  const uniqueAt = workspace.take(count * 8);
  const inverseAt = workspace.take(count * 4);
  const table = workspace.take(tableBytes);
  const { words, bytes, kernels } = workspace;
  bytes.fill(0, table, table + tableBytes);
  if (wide) words.set(keys.subarray(0, count * 2), keysAt >>> 2);
  else {
    for (let i = 0, at = keysAt >>> 2; i < count; i++, at += 2) {
      words[at] = keys[i];
      words[at + 1] = 0;
    }
  }
  const found = kernels.deduplicate(keysAt, count, uniqueAt, inverseAt, table, entries);
  // Narrow the keys in place, then copy them once.
  if (!wide) for (let i = 1, at = uniqueAt >>> 2; i < found; i++) words[at + i] = words[at + 2 * i];
  return {
    unique: workspace.wordsAt(uniqueAt, wide ? found * 2 : found),
    inverse: workspace.wordsAt(inverseAt, count),
  };
}
