// Sends subrequests to the nodes, all at the same time. Temporary failures are retried while deadline and budget last.
import { type ErrorCode, FlexemrError } from '../errors.ts';
import { attemptsMax, retryAfterMsMax, retryMsMax, retryMsMin } from '../limits.ts';
import type { Span, TraceContext, Tracer } from '../wire/trace.ts';
import type { Deadline } from './deadline.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Subrequest } from './subrequest.ts';

export interface FanOut {
  readonly budget: RetryBudget;
  readonly deadline: Deadline;
  /** Records each attempt. */
  readonly tracer: Tracer | undefined;
  /** Where the lookup is in a trace. */
  readonly trace: TraceContext | undefined;
  readonly stats: { retries: number };
  /** Called after each attempt. */
  readonly onSubrequest: ((end: SubrequestEnd) => void) | undefined;
}

/** How an attempt of a subrequest has ended. */
export interface SubrequestEnd {
  readonly node: string;
  /** Milliseconds, with the wait for a credit. */
  readonly ms: number;
  /** Undefined if it was answered. */
  readonly code: ErrorCode | undefined;
}

/** Sends all subrequests. Afterwards each of them has either its reply or its error. */
export function fanOut(subrequests: readonly Subrequest[], to: FanOut): Promise<unknown> {
  if (subrequests.length === 1) return ask(subrequests[0], to);
  return Promise.all(subrequests.map((subrequest) => ask(subrequest, to)));
}

async function ask(
  subrequest: Subrequest,
  { budget, deadline, tracer, trace, stats, onSubrequest }: FanOut,
): Promise<void> {
  budget.earn();
  for (let attempt = 1; ; attempt++) {
    let retryAfterMs = 0;
    const span = tracer && begun(subrequest, attempt, tracer, trace);
    const since = onSubrequest && performance.now();
    try {
      subrequest.begin(span?.context ?? trace);
      const reply = await subrequest.client.ask(subrequest, deadline);
      const { error } = subrequest.check(reply);
      retryAfterMs = error?.retryAfterMs ?? 0;
      subrequest.error = error && subrequest.errorOf(error);
      if (error === undefined) subrequest.answered(reply);
    } catch (cause) {
      const { over } = deadline;
      // If the deadline has passed, the error names the node that did not answer in time.
      subrequest.error = isByCaller(over) ? over : failed(subrequest, over ?? cause);
    }
    span?.end(subrequest.error);
    if (since !== undefined) onSubrequest?.(endOf(subrequest, performance.now() - since));
    if (subrequest.error === undefined || !transient.includes(subrequest.error.code)) return;
    const backoffMs = Math.min(retryMsMax, retryMsMin * 4 ** (attempt - 1));
    const waitMs = Math.min(retryAfterMsMax, Math.max(retryAfterMs, backoffMs)) * (0.5 + Math.random());
    // A wait past the deadline would only delay the error.
    if (attempt === attemptsMax || deadline.over || waitMs >= deadline.leftMs || !budget.spend()) return;
    stats.retries++;
    await deadline.sleep(waitMs);
    // If the deadline passes during the wait, the caller gets the last error of the node.
    if (isByCaller(deadline.over)) subrequest.error = deadline.over;
    if (deadline.over) return;
  }
}

function endOf({ client, error }: Subrequest, ms: number): SubrequestEnd {
  return { node: client.id, ms, code: error?.code };
}

/** Begins the span of an attempt. Its time includes the wait for a credit. */
function begun({ client }: Subrequest, attempt: number, tracer: Tracer, parent?: TraceContext): Span {
  const { hostname } = new URL(client.url);
  const attributes = { 'flexemr.node': client.id, 'server.address': hostname, 'flexemr.attempt': attempt };
  return tracer.start('subrequest', parent, { kind: 'client', attributes });
}

/**
 * Errors that may be temporary. Lookups change nothing, so it is safe to retry them. UNSUPPORTED_VERSION is one of
 * them: a ranker only uses versions that the node supports, so a node that refuses the version got a frame whose bits
 * changed in transit.
 */
const transient: readonly FlexemrError['code'][] = [
  'UNAVAILABLE',
  'OVERLOADED',
  'NODE_FAILED',
  'INVALID_FRAME',
  'UNSUPPORTED_VERSION',
];

/** Whether the caller ended the lookup: it cancelled the lookup or closed the ranker. */
function isByCaller(over: FlexemrError | undefined): over is FlexemrError {
  return over !== undefined && over.code !== 'DEADLINE_EXCEEDED';
}

function failed({ node, shards }: Subrequest, cause: unknown): FlexemrError {
  const known = cause instanceof FlexemrError ? cause : undefined;
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `memory node ${node}, asked for shards ${shards.join(', ')}: ${why}`;
  const { code = 'NODE_FAILED', field, value } = known ?? {};
  return new FlexemrError(code, message, { node, shard: shards[0], field, value, cause });
}
