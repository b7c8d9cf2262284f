// The steps of one lookup, in order.
import { AnsweredUpdates } from '../lookup/answered-updates.ts';
import type { AskedLookup, PushDown } from '../lookup/asked.ts';
import { ReplyMerge } from '../lookup/merged.ts';
import { type Lookup, PooledLookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { Span, Tracer } from '../wire/trace.ts';
import type { AttemptBudget } from './attempt-budget.ts';
import type { Deadline } from './deadline.ts';
import { failuresOf, incompleteOf } from './failures.ts';
import { fanOut } from './fan-out.ts';
import type { SubrequestEnd } from './fan-out-terms.ts';
import type { FreshKeys } from './fresh-keys.ts';
import type { LateClock } from './late-clock.ts';
import type { LookupOptions } from './lookup-options.ts';
import type { Route } from './route.ts';
import { type Sending, Subrequest } from './subrequest.ts';
import { WantedRows } from './wanted-rows.ts';

export interface LookupRequest {
  readonly bags: KeyedBags;
  readonly options: LookupOptions;
  readonly deadline: Deadline;
  readonly span: Span | undefined;
}

/** What a ranker shares with its lookups. */
export interface LookupContext {
  readonly budget: AttemptBudget;
  /** Undefined: late subrequests are not sent to a second node. */
  readonly hedges: AttemptBudget | undefined;
  readonly clock: LateClock;
  readonly pushDown: PushDown;
  readonly deduplicateBags: boolean;
  readonly checksums: boolean;
  readonly tracer: Tracer | undefined;
  /** Undefined: tables that take updates are not cached. */
  readonly fresh: FreshKeys | undefined;
  /** Called after each attempt of a subrequest. */
  onSubrequest: ((end: SubrequestEnd) => void) | undefined;
  readonly stats: {
    lookups: number;
    subrequests: number;
    retries: number;
    hedged: number;
    hedgesWon: number;
    segmentsPushed: number;
    segmentsFetched: number;
    bagsRepeated: number;
  };
}

/** Asks the nodes of every feature, and merges their replies. @throws as Ranker.lookup */
export async function lookUp(request: LookupRequest, route: Route, context: LookupContext): Promise<Lookup> {
  const { bags, deadline, options, span } = request;
  const { workspace } = route;
  const { budget, hedges, clock, pushDown, deduplicateBags, checksums, tracer, stats, onSubrequest } =
    context;
  context.fresh?.check();
  const { onMissing, onFailure = 'error', atLeast } = options;
  const wanted = atLeast && new WantedRows(atLeast, route.tableOf);
  const asked = workspace.ask(bags, { onMissing, pushDown, deduplicateBags, splitKeys: 0 }, route);
  try {
    wanted?.apply(asked);
    while (!asked.prepare()) await deadline.turn();
    const subrequests = framesOf(asked, { route, deadline, checksums, wanted }, stats);
    span?.set('flexemr.subrequests', subrequests.length);
    const trace = span?.context ?? options.trace;
    await fanOut(subrequests, { budget, hedges, clock, deadline, tracer, trace, stats, onSubrequest });
    const failures = failuresOf(subrequests, asked, onFailure);
    const incomplete = incompleteOf(subrequests, asked);
    const replies = subrequests.map(({ reply }) => reply);
    const updates = AnsweredUpdates.of(asked, replies);
    context.fresh?.settle(asked, updates, route.followed);
    const merge = new ReplyMerge(asked, replies, workspace.mergeRoom);
    try {
      while (!merge.step()) await deadline.turn();
      const merged = { results: merge.results(workspace.pool), pool: workspace.pool };
      const held = replies.map((reply) => {
        if (reply?.viewed) return reply;
        reply?.release();
        return undefined;
      });
      return new PooledLookup(asked.names, merged, held, { failures, incomplete, updates });
    } finally {
      merge.close();
    }
  } finally {
    asked.close();
  }
}

function framesOf(asked: AskedLookup, sending: Sending, stats: LookupContext['stats']): Subrequest[] {
  const { frames, segments, fetched, repeated } = asked;
  stats.lookups++;
  stats.subrequests += frames;
  stats.segmentsFetched += fetched;
  stats.segmentsPushed += segments - fetched;
  stats.bagsRepeated += repeated;
  const subrequests: Subrequest[] = [];
  for (let i = 0; i < frames; i++) subrequests.push(new Subrequest(asked, i, sending));
  return subrequests;
}
