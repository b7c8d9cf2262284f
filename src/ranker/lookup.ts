// One lookup, told in order.
import { FlexemrError, show } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { type CheckedBags, checkBags } from '../plan/checked-bags.ts';
import type { Answered, AskedFeature } from './answered.ts';
import { chooseFetch, type PushDown } from './choose.ts';
import { type CutSegment, cutBags, rowKeys } from './cut.ts';
import { fanOut } from './fan-out.ts';
import type { NodeClient } from './node-client.ts';
import type { Patience } from './patience.ts';
import { pooledOf } from './results.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Route } from './route.ts';
import { policyOf, type RoutedTable } from './routed-table.ts';
import { type Segment, segmentOf } from './segment.ts';
import { type Subrequest, subrequests } from './subrequest.ts';
import type { Workspace } from './workspace.ts';

export interface LookupOptions {
  /** Milliseconds from now; default 5000. */
  readonly deadline?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For keys without a row, instead of what each table says. */
  readonly onMissing?: MissingPolicy | undefined;
  /** `error` (default): all or nothing. `partial`: what the nodes gave that answered; the rest is marked. */
  readonly onFailure?: 'error' | 'partial' | undefined;
}

export interface Asked {
  readonly bags: KeyedBags;
  readonly options: LookupOptions;
  readonly patience: Patience;
  readonly pushDown: PushDown;
}

/** What a ranker lends to its lookups. */
export interface Tools {
  readonly workspace: Workspace;
  readonly budget: RetryBudget;
  readonly stats: { lookups: number; subrequests: number; segmentsPushed: number; segmentsFetched: number };
}

/** Checks, routes, chooses, asks, merges. @throws as Ranker.lookup */
export async function lookUp(asked: Asked, route: Route, tools: Tools): Promise<Lookup> {
  const features = check(asked.bags, route);
  const segments = features.flatMap((feature, i) => segmentsOf(feature, i, asked, tools.workspace));
  const asks = subrequests(route.plan, segments, (node) => clientOf(route, node).limits);
  tools.stats.lookups++;
  tools.stats.subrequests += asks.length;
  for (const { fetching } of segments) {
    if (fetching) tools.stats.segmentsFetched++;
    else tools.stats.segmentsPushed++;
  }
  const { patience } = asked;
  const names = features.map(({ name }) => name);
  await fanOut(asks, { clientOf: (node) => clientOf(route, node), budget: tools.budget, patience, names });
  const failures = failuresOf(asks, asked.options.onFailure ?? 'error');
  const answered = bySegment(asks, features.length);
  const pooled = features.map(
    (feature, i) => [feature.name, pooledOf(tools.workspace, feature, answered[i])] as const,
  );
  return Object.assign(new Map(pooled), { failures });
}

/** The features' tables and checked bags. @throws UNKNOWN_TABLE, INVALID_BAGS, INVALID_OFFSETS, … */
function check(bags: KeyedBags, route: Route): AskedFeature[] {
  if (bags === null || typeof bags !== 'object') {
    const message = `give the bags of each feature, { feature: { keys, offsets } }, not ${show(bags)}`;
    throw new FlexemrError('INVALID_BAGS', message, { field: 'bags', value: bags });
  }
  return Object.entries(bags).map(([name, given]) => {
    const table = tableOf(route, (given as Bags | undefined)?.table ?? name, name);
    const checked = checkBags(name, given, table.indexed);
    if (checked.weights === undefined || (table.mode !== 'max' && table.mode !== 'none'))
      return { name, table, bags: checked };
    const message = `${name}: table ${table.spec.name} pools by ${table.mode}, which takes no weights; leave them out`;
    throw new FlexemrError('INVALID_WEIGHTS', message, { field: `${name}.weights`, value: table.mode });
  });
}

function tableOf({ tables }: Route, name: string, feature: string): RoutedTable {
  const table = tables.get(name);
  if (table) return table;
  const some = [...tables.keys()].slice(0, 5).join(', ');
  const message = `${feature}: there is no table named ${show(name)} (there is ${some || 'none'})`;
  throw new FlexemrError('UNKNOWN_TABLE', message, { field: feature, value: name });
}

function clientOf({ nodes }: Route, id: string): NodeClient {
  const client = nodes.get(id);
  if (client) return client;
  throw new FlexemrError('INVALID_ROUTING', `no node ${id} is in the routing table`, { node: id });
}

/** Routes one feature: cuts its bags at the shards, and chooses for each segment where its rows are pooled. */
function segmentsOf(
  { name, table, bags }: AskedFeature,
  feature: number,
  asked: Asked,
  workspace: Workspace,
): Segment[] {
  const missing = policyOf(table, asked.options.onMissing);
  const cuts = cut(name, table, bags, missing, workspace);
  const partial = table.shards.length > 1;
  return cuts.map((own) => {
    const fetching = chooseFetch(workspace, table, own, partial, asked.pushDown);
    const shard = table.shards[own.shard];
    return segmentOf({ feature, table, shard, cut: own, fetching, partial, missing });
  });
}

function cut(
  name: string,
  table: RoutedTable,
  { keys: given, offsets, weights }: CheckedBags,
  missing: MissingPolicy,
  workspace: Workspace,
): CutSegment[] {
  const end = table.mode === 'none' ? given.length : offsets[offsets.length - 1];
  const keys = table.indexed
    ? new Uint32Array(given.buffer, given.byteOffset, end * 2)
    : rowKeys(name, table.spec, given, end, missing === 'error');
  const pooled = table.mode !== 'none';
  if (pooled ? offsets.length === 1 : end === 0) return [];
  if (table.shards.length > 1)
    return cutBags(
      table,
      keys,
      table.indexed ? hashesOf(workspace, keys) : keys,
      pooled ? offsets : single(end),
      weights,
    );
  return [
    {
      shard: 0,
      keys,
      offsets: pooled ? offsets : undefined,
      weights: weights?.subarray(0, end),
      bagNumbers: undefined,
      positions: undefined,
    },
  ];
}

/** All keys as one bag: how mode `none` is cut. */
function single(keys: number): Uint32Array {
  return Uint32Array.of(0, keys);
}

/** What decides the shard of each id (u64 as pairs of words). */
function hashesOf(workspace: Workspace, ids: Uint32Array): Uint32Array {
  const count = ids.length >>> 1;
  workspace.begin(count * 12, 2);
  const keys = workspace.put(ids);
  const hashes = workspace.take(count * 4);
  workspace.kernels.shardHashes(keys, hashes, count);
  return workspace.wordsAt(hashes, count);
}

/** What went wrong, where that is allowed. @throws the first failure, where it is not */
function failuresOf(asks: readonly Subrequest[], onFailure: 'error' | 'partial'): FlexemrError[] {
  const failures = asks.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const [first] = failures.filter(({ code }) => onFailure === 'error' || !mayBePartial(code));
  if (first !== undefined) throw first;
  return failures;
}

/** Failures of nodes leave bags incomplete; a lookup that is wrong, or was cancelled, gives nothing. */
function mayBePartial(code: FlexemrError['code']): boolean {
  return ['UNAVAILABLE', 'OVERLOADED', 'NODE_FAILED', 'DEADLINE_EXCEEDED', 'INVALID_FRAME'].includes(code);
}

/** The segments of each feature with what came of them, in shard order: the order they are merged in. */
function bySegment(asks: readonly Subrequest[], features: number): Answered[][] {
  const all: Answered[][] = Array.from({ length: features }, () => []);
  for (const subrequest of asks) {
    for (const [position, segment] of subrequest.segments.entries())
      all[segment.feature].push({ segment, subrequest, position });
  }
  for (const own of all) own.sort((a, b) => a.segment.shard.number - b.segment.shard.number);
  return all;
}
