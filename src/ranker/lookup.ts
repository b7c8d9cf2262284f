// The steps of one lookup, in order.
import type { FlexemrError } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { type Lookup, PooledFeatures } from '../lookup/pooled.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { checkBags } from '../plan/checked-bags.ts';
import type { PushDown } from './choose.ts';
import type { Deadline } from './deadline.ts';
import { fanOut } from './fan-out.ts';
import type { Feature } from './feature.ts';
import { pooledOf } from './results.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Route } from './route.ts';
import { segmentsOf } from './segments.ts';
import { type Subrequest, subrequests } from './subrequest.ts';
import type { Workspace } from './workspace.ts';

export interface LookupOptions {
  /** Milliseconds from now; default 5000. */
  readonly deadline?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The policy for keys without a row; overrides the policy of each table. */
  readonly onMissing?: MissingPolicy | undefined;
  /** `error` (default): all or nothing. `partial`: the results of nodes that answered; incomplete bags are marked. */
  readonly onFailure?: 'error' | 'partial' | undefined;
}

export interface LookupRequest {
  readonly bags: KeyedBags;
  readonly options: LookupOptions;
  readonly deadline: Deadline;
  readonly pushDown: PushDown;
}

/** What a ranker shares with its lookups. */
export interface LookupContext {
  readonly workspace: Workspace;
  readonly budget: RetryBudget;
  readonly checksums: boolean;
  readonly stats: { lookups: number; subrequests: number; segmentsPushed: number; segmentsFetched: number };
}

/** Checks and routes every feature, sends the subrequests, and merges the replies. @throws as Ranker.lookup */
export async function lookUp(
  request: LookupRequest,
  route: Route,
  { workspace, budget, stats, checksums }: LookupContext,
): Promise<Lookup> {
  const features = routeFeatures(request, route, workspace);
  const segments =
    features.length === 1 ? features[0].segments : features.flatMap((feature) => feature.segments);
  const asks = subrequests(route.plan, segments, (node) => route.node(node), workspace);
  stats.lookups++;
  stats.subrequests += asks.length;
  for (const { fetching } of segments) {
    if (fetching) stats.segmentsFetched++;
    else stats.segmentsPushed++;
  }
  await fanOut(asks, { route, budget, deadline: request.deadline, checksums });
  const failures = failuresOf(asks, features, request.options.onFailure ?? 'error');
  const pooled = new PooledFeatures(failures, () => release(asks));
  for (const feature of features) pooled.set(feature.name, pooledOf(workspace, feature));
  release(asks.filter(({ reply }) => !reply?.viewed));
  return pooled;
}

function routeFeatures(
  { bags, options, pushDown }: LookupRequest,
  route: Route,
  workspace: Workspace,
): Feature[] {
  const segmentOptions = { onMissing: options.onMissing, pushDown };
  // The checks run in the same order as in Tables.lookup, so that both report the same error first.
  const checked = Object.keys(bags).map((name) => {
    const given: Bags | undefined = bags[name];
    const table = route.table(given?.table ?? name, name);
    return { name, table, bags: checkBags(name, given, table.indexed) };
  });
  for (const { name, table, bags } of checked) if (bags.weights !== undefined) table.checkWeighted(name);
  return checked.map(({ name, table, bags }) => {
    return { name, table, bags, ...segmentsOf(name, table, bags, segmentOptions, workspace) };
  });
}

/** Releases the memory of the replies. */
function release(asks: readonly Subrequest[]): void {
  for (const { reply } of asks) reply?.release();
}

/** The failures, if all of them are allowed. @throws the first failure that is not allowed */
function failuresOf(
  asks: readonly Subrequest[],
  features: readonly Feature[],
  onFailure: 'error' | 'partial',
): FlexemrError[] {
  const failures = asks.flatMap(({ error }) => error ?? []);
  const fatal = failures.filter(({ code }) => onFailure === 'error' || !mayBePartial.includes(code));
  if (fatal.length > 0) throw firstOf(fatal, features);
  // One failure per node: a node may have been sent several subrequests.
  return failures.filter(({ node }, i) => failures.findIndex((other) => other.node === node) === i);
}

/**
 * The failure to report. If nodes refused keys, this is the first refused key, as in a lookup within one process.
 * Otherwise it is the failure of the first subrequest.
 */
function firstOf(failures: readonly FlexemrError[], features: readonly Feature[]): FlexemrError {
  const order = new Map(features.map(({ name }, i) => [`${name}.keys`, i]));
  const featureOf = ({ code, field = '' }: FlexemrError): number =>
    (code === 'INVALID_KEY' ? order.get(field) : undefined) ?? Number.POSITIVE_INFINITY;
  return failures.reduce((first, failure) => {
    const [own, before] = [featureOf(failure), featureOf(first)];
    const earlier = own === before ? (failure.position ?? 0) < (first.position ?? 0) : own < before;
    return earlier ? failure : first;
  });
}

/** Failures of a node, which leave bags incomplete. A lookup that is invalid or was cancelled gives no result. */
const mayBePartial: readonly FlexemrError['code'][] = [
  'UNAVAILABLE',
  'OVERLOADED',
  'NODE_FAILED',
  'DEADLINE_EXCEEDED',
  'INVALID_FRAME',
];
