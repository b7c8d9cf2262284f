// One lookup, told in order.
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
  /** For keys without a row, instead of what each table says. */
  readonly onMissing?: MissingPolicy | undefined;
  /** `error` (default): all or nothing. `partial`: what the nodes gave that answered; the rest is marked. */
  readonly onFailure?: 'error' | 'partial' | undefined;
}

export interface LookupRequest {
  readonly bags: KeyedBags;
  readonly options: LookupOptions;
  readonly deadline: Deadline;
  readonly pushDown: PushDown;
}

/** What a ranker lends to its lookups. */
export interface LookupContext {
  readonly workspace: Workspace;
  readonly budget: RetryBudget;
  readonly checksums: boolean;
  readonly stats: { lookups: number; subrequests: number; segmentsPushed: number; segmentsFetched: number };
}

/** Checks and routes every feature, asks each node once, merges. @throws as Ranker.lookup */
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
  // What is wrong with a lookup is found in the order that one process finds it.
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

/** Lets go of the replies' memory. */
function release(asks: readonly Subrequest[]): void {
  for (const { reply } of asks) reply?.release();
}

/** What went wrong, where that is allowed. @throws the first failure, where it is not */
function failuresOf(
  asks: readonly Subrequest[],
  features: readonly Feature[],
  onFailure: 'error' | 'partial',
): FlexemrError[] {
  const failures = asks.flatMap(({ error }) => error ?? []);
  const fatal = failures.filter(({ code }) => onFailure === 'error' || !mayBePartial.includes(code));
  if (fatal.length > 0) throw firstOf(fatal, features);
  // One a node, which may have been request for several things.
  return failures.filter(({ node }, i) => failures.findIndex((other) => other.node === node) === i);
}

/** Of keys that nodes refused the first one, which is what one process would refuse; else what the first node said. */
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

/** Failures of nodes leave bags incomplete; a lookup that is wrong, or was cancelled, gives nothing. */
const mayBePartial: readonly FlexemrError['code'][] = [
  'UNAVAILABLE',
  'OVERLOADED',
  'NODE_FAILED',
  'DEADLINE_EXCEEDED',
  'INVALID_FRAME',
];
