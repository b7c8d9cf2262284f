// Sends subrequests to the nodes, all at the same time. Temporary failures are retried while deadline and budget last.
import { FlexemrError } from '../errors.ts';
import { attemptsMax, retryAfterMsMax, retryMsMax, retryMsMin } from '../limits.ts';
import { stalePauseMsMax, stalePauseMsMin } from '../replica-limits.ts';
import { unwanted } from '../transport/transport.ts';
import type { Span, TraceContext, Tracer } from '../wire/trace.ts';
import { Attempt } from './attempt.ts';
import type { Ending } from './ending.ts';
import type { FanOut, SubrequestEnd } from './fan-out-terms.ts';
import type { NodeClient } from './node-client.ts';
import { Race, type RaceRules } from './race.ts';
import type { Subrequest } from './subrequest.ts';

/** Sends all subrequests. Afterwards each of them has either its reply or its error. */
export function fanOut(subrequests: readonly Subrequest[], to: FanOut): Promise<unknown> {
  if (subrequests.length === 1) return ask(subrequests[0], to);
  return Promise.all(subrequests.map((subrequest) => ask(subrequest, to)));
}

async function ask(subrequest: Subrequest, to: FanOut): Promise<void> {
  const { budget, hedges, deadline, stats } = to;
  const { set } = subrequest;
  const { members } = set;
  const tried: NodeClient[] = [];
  budget.earn();
  if (members.length > 1) hedges?.earn();
  let lacked: FlexemrError | undefined;
  for (let [failures, pauses, next] = [1, 0, set.choose(tried)]; ; ) {
    const { error, retryAfterMs } =
      members.length === 1
        ? await tryAt(subrequest, next, to, deadline)
        : await new Race(subrequest, tried, to, raceRules).run(next);
    const { behind } = subrequest;
    // If the deadline passes, the caller hears what the rows lacked.
    subrequest.error = error?.code === 'DEADLINE_EXCEEDED' ? (behind ?? lacked ?? error) : error;
    if (error === undefined || deadline.over) return;
    const fresh = isOfNode(error) ? set.fresh(tried) : undefined;
    if (fresh !== undefined) {
      // Another node has the same rows, and has not failed. No wait, and no budget: lookups go on however many lose a node at once,
      // and each subrequest goes to each node once at most before it has to wait.
      next = fresh;
      stats.retries++;
      continue;
    }
    if (error.code === 'STALE_ROWS') {
      // Rows of another incarnation never get the updates, but those of another node may.
      subrequest.error = behind ?? error;
      if (behind === undefined || deadline.leftMs < stalePauseMsMin) return;
      // The nodes get the updates anyway, so this uses no budget.
      stats.retries++;
      await deadline.sleep(Math.min(stalePauseMsMax, stalePauseMsMin * 2 ** pauses++, deadline.leftMs / 2));
      if (isByCaller(deadline.over)) subrequest.error = deadline.over;
      if (deadline.over) return;
      lacked = behind;
      subrequest.behind = undefined;
      tried.length = 0;
      next = set.choose(tried);
      continue;
    }
    if (!transient.includes(error.code)) return;
    const backoffMs = Math.min(retryMsMax, retryMsMin * 4 ** (failures - 1));
    const waitMs = Math.min(retryAfterMsMax, Math.max(retryAfterMs, backoffMs)) * (0.5 + Math.random());
    // A wait past the deadline would only delay the error.
    if (failures === attemptsMax || waitMs >= deadline.leftMs || !budget.spend()) return;
    failures++;
    stats.retries++;
    await deadline.sleep(waitMs);
    // If the deadline passes during the wait, the caller gets the last error of the node.
    if (isByCaller(deadline.over)) subrequest.error = deadline.over;
    if (deadline.over) return;
    next = set.choose(tried);
  }
}

/** One attempt. It never fails: it ends with its error, or its subrequest has a reply. */
async function tryAt(
  subrequest: Subrequest,
  client: NodeClient,
  to: FanOut,
  deadline: Ending,
): Promise<Attempt> {
  const { tracer, trace, onSubrequest } = to;
  const span = tracer && begun(client, ++subrequest.attempts, tracer, trace);
  const attempt = new Attempt(subrequest, client, span?.context ?? trace);
  const since = onSubrequest && performance.now();
  try {
    const reply = await client.ask(attempt, deadline);
    if (subrequest.reply !== undefined || deadline.over !== undefined) {
      // Two replies have come in the same turn. The lookup may have ended with the other one, and its memory may be in use again.
      reply.release();
      throw unwanted();
    }
    const { error } = attempt.check(reply);
    attempt.retryAfterMs = error?.retryAfterMs ?? 0;
    attempt.error = error && subrequest.errorOf(error, client);
    if (error === undefined) attempt.answered(reply);
  } catch (cause) {
    const { over } = deadline;
    // If the deadline has passed, the error names the node that did not answer in time.
    if (isByCaller(over)) attempt.error = over;
    else attempt.error = subrequest.reply === undefined ? failed(attempt, over ?? cause) : unwanted();
  }
  const isBeaten = attempt.error?.code === 'CANCELLED' && to.deadline.over === undefined;
  span?.end(isBeaten ? undefined : attempt.error);
  if (since !== undefined && !isBeaten) onSubrequest?.(endOf(attempt, performance.now() - since));
  return attempt;
}

function endOf({ client, error }: Attempt, ms: number): SubrequestEnd {
  return { node: client.id, ms, code: error?.code };
}

/** Begins the span of an attempt. Its time includes the wait for a credit. */
function begun({ id, url }: NodeClient, attempt: number, tracer: Tracer, parent?: TraceContext): Span {
  const { hostname } = new URL(url);
  const attributes = { 'flexemr.node': id, 'server.address': hostname, 'flexemr.attempt': attempt };
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

/** Whether another node may do better: its failure says nothing of the subrequest. */
function isOfNode({ code }: FlexemrError): boolean {
  return (
    transient.includes(code) ||
    code === 'STALE_ROUTING' ||
    code === 'STALE_ROWS' ||
    code === 'UNAUTHORIZED' ||
    code === 'INVALID_ROUTING'
  );
}

const raceRules: RaceRules = { tryAt, isOfNode };

/** Whether the caller ended the lookup: it cancelled the lookup or closed the ranker. */
function isByCaller(over: FlexemrError | undefined): over is FlexemrError {
  return over !== undefined && over.code !== 'DEADLINE_EXCEEDED';
}

function failed({ client: { id: node }, subrequest: { shards } }: Attempt, cause: unknown): FlexemrError {
  const known = cause instanceof FlexemrError ? cause : undefined;
  // It names the shard and the node.
  if (known?.code === 'STALE_ROWS') return known;
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `memory node ${node}, asked for shards ${shards.join(', ')}: ${why}`;
  const { code = 'NODE_FAILED', field, value } = known ?? {};
  return new FlexemrError(code, message, { node, shard: shards[0], field, value, cause });
}
