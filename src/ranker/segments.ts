// Routing one feature: its bags are cut at the shards, and for each segment it is chosen where rows are pooled.
import type { MissingPolicy } from '../kernel/call.ts';
import type { CheckedBags } from '../plan/checked-bags.ts';
import { chooseFetch, type PushDown } from './choose.ts';
import { type CutSegment, cutBags, rowKeys } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';
import { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

/** What a lookup wants of all its features. */
export interface Wishes {
  readonly onMissing: MissingPolicy | undefined;
  readonly pushDown: PushDown;
}

/** The segments of one feature, in shard order. @throws INVALID_KEY, INVALID_OPTION, OUT_OF_MEMORY */
export function segmentsOf(
  feature: string,
  table: RoutedTable,
  bags: CheckedBags,
  { onMissing, pushDown }: Wishes,
  workspace: Workspace,
): Segment[] {
  const policy = onMissing === undefined ? table.missing : table.policy(onMissing);
  const missing = policy === table.missing ? undefined : policy;
  const partial = table.shards.length > 1;
  return cut(feature, table, bags, policy, workspace).map((own) => {
    const fetching = chooseFetch(workspace, table, own, partial, pushDown);
    return new Segment(feature, table, own, fetching, missing);
  });
}

function cut(
  feature: string,
  table: RoutedTable,
  { keys: given, offsets, weights }: CheckedBags,
  missing: MissingPolicy,
  workspace: Workspace,
): CutSegment[] {
  const pooled = table.mode !== 'none';
  const end = pooled ? offsets[offsets.length - 1] : given.length;
  if (pooled ? offsets.length === 1 : end === 0) return [];
  const keys = table.indexed
    ? wordsOf(given, end)
    : rowKeys(feature, table.spec, given, end, missing === 'error');
  if (table.shards.length === 1) return [whole(keys, pooled ? offsets : undefined, weights, end)];
  const places = table.indexed ? hashesOf(workspace, keys) : keys;
  // Mode `none` is cut as one bag of all keys.
  return cutBags(table, keys, places, pooled ? offsets : Uint32Array.of(0, end), weights);
}

/** All keys, for the only shard there is. */
function whole(
  keys: Uint32Array,
  offsets: Uint32Array | undefined,
  weights: Float32Array | undefined,
  end: number,
): CutSegment {
  const own = weights === undefined || weights.length === end ? weights : weights.subarray(0, end);
  return { shard: 0, keys, offsets, weights: own, bagNumbers: undefined, positions: undefined };
}

/** u64 as pairs of words. */
function wordsOf(ids: CheckedBags['keys'], end: number): Uint32Array {
  return new Uint32Array(ids.buffer, ids.byteOffset, end * 2);
}

/** What decides the shard of each id. */
function hashesOf(workspace: Workspace, ids: Uint32Array): Uint32Array {
  const count = ids.length >>> 1;
  workspace.begin(count * 12, 2);
  const keys = workspace.put(ids);
  const hashes = workspace.take(count * 4);
  workspace.kernels.shardHashes(keys, hashes, count);
  return workspace.wordsAt(hashes, count);
}
