import type { FlexemrError } from '../errors.ts';
import { retryMsMax } from '../limits.ts';
import { unwanted } from '../transport/transport.ts';
import type { Attempt } from './attempt.ts';
import { AttemptEnding, type Ending } from './ending.ts';
import type { FanOut } from './fan-out-terms.ts';
import { Timed } from './late-clock.ts';
import type { NodeClient } from './node-client.ts';
import type { Subrequest } from './subrequest.ts';

/** What a race needs to know of attempts. */
export interface RaceRules {
  /** One attempt. It never fails. */
  tryAt(subrequest: Subrequest, client: NodeClient, to: FanOut, ending: Ending): Promise<Attempt>;
  /** Whether another node may do better. */
  isOfNode(error: FlexemrError): boolean;
}

/** An attempt that is under way. */
class Runner extends AttemptEnding {
  readonly client: NodeClient;
  readonly since: number;
  readonly isHedge: boolean;

  constructor(lookup: Ending, client: NodeClient, since: number, isHedge: boolean) {
    super(lookup);
    this.client = client;
    this.since = since;
    this.isHedge = isHedge;
  }
}

/**
 * Sends a subrequest to a node of its replica set, and to another one if the reply is late (a hedge): later than most replies to
 * subrequests of this size. The first reply counts, and the other attempt is cancelled. The caller makes the first attempt, and
 * usually needs nothing else: everything for further ones is made when they begin.
 */
export class Race extends Timed {
  readonly #subrequest: Subrequest;
  readonly #tried: NodeClient[];
  readonly #to: FanOut;
  readonly #rules: RaceRules;
  readonly #running: Runner[];
  /** Until it is late. */
  #ms = 0;
  #winner: Attempt | undefined = undefined;
  #onWinner: ((winner: Attempt) => void) | undefined = undefined;

  /**
   * @param tried nodes that the subrequest was sent to; those of this race are added
   * @param client of the first attempt, which begins now @param now by `performance.now()`
   */
  constructor(
    subrequest: Subrequest,
    tried: NodeClient[],
    to: FanOut,
    rules: RaceRules,
    client: NodeClient,
    now: number,
  ) {
    super();
    this.#subrequest = subrequest;
    this.#tried = tried;
    this.#to = to;
    this.#rules = rules;
    this.#running = [new Runner(to.deadline, client, now, false)];
    tried.push(client);
    if (to.hedges === undefined) return;
    this.#ms = subrequest.set.lateMs(this.#bytes);
    to.clock.add(this, now, this.#ms);
  }

  /** What ends the first attempt, while it is the only one. */
  get first(): Runner {
    return this.#running[0];
  }

  /**
   * An attempt has ended. @param runner what ended it
   * @returns the attempt that was answered, or the last one that failed; undefined if others are under way
   */
  ended(runner: Runner, attempt: Attempt): Attempt | undefined {
    const running = this.#running;
    if (running.length === 1) running.pop();
    else running.splice(running.indexOf(runner), 1);
    this.#note(attempt, runner.since);
    if (this.#winner !== undefined) return this.#winner;
    const { error } = attempt;
    // Another attempt may still be answered.
    if (error !== undefined && running.length > 0 && this.#rules.isOfNode(error)) return undefined;
    if (error === undefined && runner.isHedge) this.#to.stats.hedgesWon++;
    this.#winner = attempt;
    this.#to.clock.remove(this);
    for (let i = running.length - 1; i >= 0; i--) running[i].end(unwanted());
    this.#onWinner?.(attempt);
    return attempt;
  }

  /** Waits for the others. @returns as `ended` */
  rest(): Promise<Attempt> {
    return new Promise((resolve) => {
      this.#onWinner = resolve;
    });
  }

  /** What says how long a subrequest takes. */
  get #bytes(): number {
    return this.#subrequest.bytes + this.#subrequest.replyBytes;
  }

  async #start(client: NodeClient, isHedge: boolean): Promise<void> {
    this.#tried.push(client);
    const runner = new Runner(this.#to.deadline, client, performance.now(), isHedge);
    this.#running.push(runner);
    this.ended(runner, await this.#rules.tryAt(this.#subrequest, client, this.#to, runner));
  }

  /** What the end of an attempt says of its node. */
  #note({ client, error, reply }: Attempt, since: number): void {
    const { set } = this.#subrequest;
    const now = performance.now();
    this.#to.clock.heard(now);
    const ms = now - since;
    // It has answered, but too early.
    if (error?.code === 'STALE_ROWS') set.took(this.#bytes, ms);
    else if (reply !== undefined) {
      client.health.answered(reply.queued, now);
      set.took(this.#bytes, ms);
    } else if (error !== undefined && this.#rules.isOfNode(error)) client.health.failed(now);
    else {
      // Nobody waits for the reply any more. If the node has answered nothing else meanwhile, it may not answer at all.
      if (ms > set.lateMs(this.#bytes) && client.health.isSilentSince(since)) client.health.suspect(now);
      if (this.#winner !== undefined) set.took(this.#bytes, ms);
    }
  }

  /** The reply is late. */
  late(): void {
    const { set } = this.#subrequest;
    if (this.#tried.length >= set.members.length) return;
    const other = set.fresh(this.#tried);
    if (other !== undefined && this.#to.hedges?.spend()) {
      this.#to.stats.hedged++;
      void this.#start(other, true);
    } else this.#leaveIfGone();
    this.#ms = Math.min(2 * this.#ms, Math.max(this.#ms, retryMsMax));
    this.#to.clock.add(this, performance.now(), this.#ms);
  }

  /** The budget for hedges is used up. Subrequests leave a node that does not even describe itself. */
  #leaveIfGone(): void {
    for (const { client } of [...this.#running]) {
      if (client.health.isLost) this.#leave(client);
      else
        client.connect().catch(() => {
          client.health.failed(performance.now());
          this.#leave(client);
        });
    }
  }

  #leave(client: NodeClient): void {
    if (this.#winner !== undefined || !this.#running.some((runner) => runner.client === client)) return;
    const other = this.#subrequest.set.fresh(this.#tried);
    if (other === undefined) return;
    this.#to.stats.retries++;
    void this.#start(other, false);
  }
}
