// Routing one feature: its bags are cut at the shards, and for each segment it is chosen where rows are pooled.
import type { MissingPolicy } from '../kernel/call.ts';
import type { CheckedBags } from '../plan/checked-bags.ts';
import { chooseFetch, type PushDown } from './choose.ts';
import { type CutSegment, cutBags, type KeyBags, rowKeys } from './cut.ts';
import type { Feature } from './feature.ts';
import { withoutPadding } from './padding.ts';
import type { RoutedTable } from './routed-table.ts';
import { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

const none: Uint32Array = new Uint32Array();

/** What a lookup wants of all its features. */
export interface SegmentOptions {
  readonly onMissing: MissingPolicy | undefined;
  readonly pushDown: PushDown;
}

/** What nodes are asked of one feature. @throws INVALID_KEY, INVALID_OPTION, OUT_OF_MEMORY */
export function segmentsOf(
  feature: string,
  table: RoutedTable,
  bags: CheckedBags,
  { onMissing, pushDown }: SegmentOptions,
  workspace: Workspace,
): Pick<Feature, 'segments' | 'padded'> {
  const policy = onMissing === undefined ? table.missing : table.policy(onMissing);
  const missing = policy === table.missing ? undefined : policy;
  const partial = table.shards.length > 1;
  const asked = withoutPadding(table, keyBags(feature, table, bags, policy));
  const segments = cut(table, asked, workspace).map((own) => {
    const fetching = chooseFetch(workspace, table, own, partial, pushDown);
    return new Segment(feature, table, own, fetching, missing);
  });
  return { segments, padded: asked.padded };
}

/** Bags with their keys as nodes take them. */
function keyBags(
  feature: string,
  table: RoutedTable,
  { keys: given, offsets, weights }: CheckedBags,
  missing: MissingPolicy,
): KeyBags {
  const pooled = table.mode !== 'none';
  const end = pooled ? offsets[offsets.length - 1] : given.length;
  return {
    keys: table.indexed ? wordsOf(given, end) : rowKeys(feature, table.spec, given, end, missing === 'error'),
    offsets: pooled ? offsets : Uint32Array.of(0, end),
    weights: weights === undefined || weights.length === end ? weights : weights.subarray(0, end),
    positions: undefined,
    padded: none,
  };
}

function cut(table: RoutedTable, bags: KeyBags, workspace: Workspace): CutSegment[] {
  const { keys, offsets, weights, positions } = bags;
  const pooled = table.mode !== 'none';
  if (pooled ? offsets.length === 1 : keys.length === 0) return [];
  if (table.shards.length === 1)
    return [
      { shard: 0, keys, offsets: pooled ? offsets : undefined, weights, bagNumbers: undefined, positions },
    ];
  const places = table.indexed ? hashesOf(workspace, keys) : keys;
  return cutBags(table, places, bags);
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
