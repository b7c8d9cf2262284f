import type { FlexemrError } from '../errors.ts';
import { retryMsMax } from '../limits.ts';
import { unwanted } from '../transport/transport.ts';
import type { Attempt } from './attempt.ts';
import { turn } from './deadline.ts';
import { AttemptEnding, type Ending } from './ending.ts';
import type { FanOut } from './fan-out-terms.ts';
import type { NodeClient } from './node-client.ts';
import type { Subrequest } from './subrequest.ts';

/** What a race needs to know of attempts. */
export interface RaceRules {
  /** One attempt. It never fails. */
  tryAt(subrequest: Subrequest, client: NodeClient, to: FanOut, ending: Ending): Promise<Attempt>;
  /** Whether another node may do better. */
  isOfNode(error: FlexemrError): boolean;
}

/**
 * Sends a subrequest to a node of its replica set, and to another one if the reply is late (a hedge): later than most replies to
 * subrequests of this size. The first reply counts, and the other attempt is cancelled.
 */
export class Race {
  readonly #subrequest: Subrequest;
  readonly #tried: NodeClient[];
  readonly #to: FanOut;
  readonly #rules: RaceRules;
  readonly #running = new Map<NodeClient, AttemptEnding>();
  readonly #end: PromiseWithResolvers<Attempt> = Promise.withResolvers();
  #ended = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param tried nodes that the subrequest was sent to; those of this race are added */
  constructor(subrequest: Subrequest, tried: NodeClient[], to: FanOut, rules: RaceRules) {
    this.#subrequest = subrequest;
    this.#tried = tried;
    this.#to = to;
    this.#rules = rules;
  }

  /** @param client of the first attempt @returns the attempt that was answered, or the last one that failed */
  run(client: NodeClient): Promise<Attempt> {
    this.#start(client, false);
    if (this.#to.hedges !== undefined) this.#watch(this.#subrequest.set.lateMs(this.#bytes));
    return this.#end.promise;
  }

  /** What says how long a subrequest takes. */
  get #bytes(): number {
    return this.#subrequest.bytes + this.#subrequest.replyBytes;
  }

  #start(client: NodeClient, isHedge: boolean): void {
    this.#tried.push(client);
    const ending = new AttemptEnding(this.#to.deadline);
    this.#running.set(client, ending);
    const since = performance.now();
    void this.#rules.tryAt(this.#subrequest, client, this.#to, ending).then((attempt) => {
      ending.release();
      this.#running.delete(client);
      this.#note(attempt, since);
      this.#settle(attempt, isHedge);
    });
  }

  /** What the end of an attempt says of its node. */
  #note({ client, error, reply }: Attempt, since: number): void {
    const { set } = this.#subrequest;
    const now = performance.now();
    const ms = now - since;
    // It has answered, but too early.
    if (error?.code === 'STALE_ROWS') set.took(this.#bytes, ms);
    else if (reply !== undefined) {
      client.health.answered(reply.load, now);
      set.took(this.#bytes, ms);
    } else if (error !== undefined && this.#rules.isOfNode(error)) client.health.failed(now);
    else {
      // Nobody waits for the reply any more. If the node has answered nothing else meanwhile, it may not answer at all.
      if (ms > set.lateMs(this.#bytes) && client.health.isSilentSince(since)) client.health.suspect(now);
      if (this.#ended) set.took(this.#bytes, ms);
    }
  }

  #settle(attempt: Attempt, isHedge: boolean): void {
    if (this.#ended) return;
    const { error } = attempt;
    // Another attempt may still be answered.
    if (error !== undefined && this.#running.size > 0 && this.#rules.isOfNode(error)) return;
    if (error === undefined && isHedge) this.#to.stats.hedgesWon++;
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const other of this.#running.values()) other.end(unwanted());
    this.#end.resolve(attempt);
  }

  /** @param ms until the reply is late */
  #watch(ms: number): void {
    this.#timer = setTimeout(() => void this.#late(ms), ms);
  }

  async #late(ms: number): Promise<void> {
    // Timers that are due run before what has arrived is read. A reply that is only unread is not late.
    await turn();
    const { set } = this.#subrequest;
    if (this.#ended || this.#tried.length >= set.members.length) return;
    const other = set.fresh(this.#tried);
    if (other !== undefined && this.#to.hedges?.spend()) {
      this.#to.stats.hedged++;
      this.#start(other, true);
    } else this.#leaveIfGone();
    this.#watch(Math.min(2 * ms, Math.max(ms, retryMsMax)));
  }

  /** The budget for hedges is used up. Subrequests leave a node that does not even describe itself. */
  #leaveIfGone(): void {
    for (const client of [...this.#running.keys()]) {
      if (client.health.isLost) this.#leave(client);
      else
        client.connect().catch(() => {
          client.health.failed(performance.now());
          this.#leave(client);
        });
    }
  }

  #leave(client: NodeClient): void {
    if (this.#ended || !this.#running.has(client)) return;
    const other = this.#subrequest.set.fresh(this.#tried);
    if (other === undefined) return;
    this.#to.stats.retries++;
    this.#start(other, false);
  }
}
