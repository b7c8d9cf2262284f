// Routes one feature: cuts its bags at the shard boundaries, and chooses for each segment where its rows are pooled.
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

/** Options of a lookup that apply to all its features. */
export interface SegmentOptions {
  readonly onMissing: MissingPolicy | undefined;
  readonly pushDown: PushDown;
}

/** The segments of one feature, which are sent to nodes. @throws INVALID_KEY, INVALID_OPTION, OUT_OF_MEMORY */
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

/** The bags, with keys in the format that nodes take. */
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

/** u64 ids as pairs of u32 words. */
function wordsOf(ids: CheckedBags['keys'], end: number): Uint32Array {
  return new Uint32Array(ids.buffer, ids.byteOffset, end * 2);
}

/** The hash of each id, which decides its shard. */
function hashesOf(workspace: Workspace, ids: Uint32Array): Uint32Array {
  const count = ids.length >>> 1;
  workspace.begin(count * 12, 2);
  const keys = workspace.put(ids);
  const hashes = workspace.take(count * 4);
  workspace.kernels.shardHashes(keys, hashes, count);
  return workspace.wordsAt(hashes, count);
}
