import { FlexemrError, show } from '../errors.ts';
import { replyBytesMax, retryMsMax, retryMsMin, subrequestBytesMax, subrequestKeysMax } from '../limits.ts';
import type { Outgoing, Session, Transport } from '../transport/transport.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { wireVersion, wireVersionOldest } from '../wire/layout.ts';
import { Reply } from '../wire/reply.ts';
import { workerUrls } from '../wire/worker-urls.ts';
import { sendCredited } from './credited-exchange.ts';
import type { Ending } from './ending.ts';
import { NodeHealth } from './node-health.ts';
import { type NodeReplies, type ReplyBudget, ReplyCredit } from './reply-budget.ts';
import { SessionWindow } from './session-window.ts';

/** The session with one worker, and its credits. */
interface Lane {
  readonly url: string;
  readonly session: Session;
  /** Subrequests in flight, and how many may be. */
  outstanding: number;
  readonly window: SessionWindow;
  /** Consecutive failures, and the `performance.now()` until which other workers are preferred because of them. */
  failures: number;
  heldUntil: number;
}

/** The limits of a node for one subrequest and its reply. */
export type NodeLimits = Omit<NodeDescription['limits'], 'sessionWindow'>;

/** Digests of tables by their names, for each release that a node serves, by the fingerprint of its routing table. */
export type NodeContents = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A memory node, as a ranker sees it. */
export interface NodeStatus {
  readonly node: string;
  readonly url: string;
  /** Whether it answered when it was asked last. */
  readonly up: boolean;
  readonly workers: number;
}

/** The client of one memory node: a session with each of its workers, each with a window of credits. */
export class NodeClient {
  readonly id: string;
  readonly url: string;
  /** How it has answered, for a choice between replicas. */
  readonly health: NodeHealth = new NodeHealth(() => this.connect());
  readonly #transport: Transport;
  readonly #budget: ReplyBudget;
  /** Its part of the budget. */
  readonly #replies: NodeReplies = { taken: 0 };
  /** Subrequests that wait for a credit, in order of arrival. Each gets a lane, or undefined if its lookup ends. */
  readonly #waiting = new Set<(lane: Lane | undefined) => void>();
  #lanes: readonly Lane[] = [];
  #limits: NodeLimits = {
    subrequestBytes: subrequestBytesMax / 8,
    replyBytes: replyBytesMax / 8,
    subrequestKeys: subrequestKeysMax / 8,
  };
  #connecting: Promise<void> | undefined;
  #up = false;
  #retired = false;
  #wireVersion = wireVersionOldest;
  #contents: NodeContents = new Map();

  constructor(id: string, url: string, transport: Transport, budget: ReplyBudget) {
    this.id = id;
    this.url = url;
    this.#transport = transport;
    this.#budget = budget;
    this.#limits = this.#within(this.#limits);
  }

  get limits(): NodeLimits {
    return this.#limits;
  }

  /** No reply is longer than there is ever room for. */
  #within(limits: NodeLimits): NodeLimits {
    return { ...limits, replyBytes: Math.min(limits.replyBytes, this.#budget.longest) };
  }

  get status(): NodeStatus {
    return { node: this.id, url: this.url, up: this.#up, workers: this.#lanes.length };
  }

  /** Subrequests that are in flight, or wait for a credit. */
  get outstanding(): number {
    let count = this.#waiting.size;
    for (const lane of this.#lanes) count += lane.outstanding;
    return count;
  }

  /** Digests of the tables in its files, as the node last reported them. */
  get contents(): NodeContents {
    return this.#contents;
  }

  /** The newest wire version that both ends support. */
  get wireVersion(): number {
    return this.#wireVersion;
  }

  /** Whether rows can currently be read without a request to the node. */
  get readsRows(): boolean {
    return this.#lanes.length > 0 && this.#lanes.every(({ session }) => session.readsRows === true);
  }

  /** Asks the node for its workers. @throws UNAVAILABLE, UNAUTHORIZED, UNSUPPORTED_VERSION */
  async connect(): Promise<void> {
    this.#connecting ??= this.#connect()
      .then(
        () => {
          this.#up = true;
        },
        (error: unknown) => {
          this.#up = false;
          throw error;
        },
      )
      .finally(() => {
        this.#connecting = undefined;
      });
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    const described = await this.#transport.describe(this.url);
    const { node, plan, workers, limits, wireVersions } = described;
    if (node !== this.id) {
      const message = `the routing table says that memory node ${this.id} is at ${this.url}, but memory node ${show(node)} answers there: correct the url`;
      throw new FlexemrError('INVALID_ROUTING', message, { node: this.id, field: 'url', value: this.url });
    }
    if (plan === '') {
      // The node does not know its limits and all of its workers yet.
      const message = `memory node ${this.id} has not loaded its tables yet; try again`;
      throw new FlexemrError('UNAVAILABLE', message, { node: this.id });
    }
    const [oldest, newest] = wireVersions;
    if (wireVersion < oldest || wireVersionOldest > newest) {
      const message = `memory node ${this.id} supports wire versions ${oldest} to ${newest}, but this ranker supports ${wireVersionOldest} to ${wireVersion}: upgrade the older one`;
      throw new FlexemrError('UNSUPPORTED_VERSION', message, { node: this.id, value: newest });
    }
    this.#wireVersion = Math.min(wireVersion, newest);
    this.#contents = contentsOf(described);
    const urls = workerUrls(this.url, workers);
    const before = new Map(this.#lanes.map((lane) => [lane.url, lane]));
    this.#limits = this.#within(limits);
    this.#lanes = urls.map((url) => before.get(url) ?? this.#lane(url, limits.sessionWindow));
    for (const lane of before.values()) if (!this.#lanes.includes(lane)) void lane.session.close();
    this.#grant();
  }

  #lane(url: string, credits: number): Lane {
    const [session, window] = [this.#transport.session(url), new SessionWindow(credits)];
    return { url, session, outstanding: 0, window, failures: 0, heldUntil: 0 };
  }

  /**
   * Sends to the worker with the fewest subrequests in flight. Waits for a credit if no worker has one. The reply waits for a credit
   * of its own.
   * @throws UNAVAILABLE, or the error that ended the lookup
   */
  async ask(outgoing: Outgoing, deadline: Ending): Promise<Reply> {
    if (this.#lanes.length === 0) await deadline.wait(this.connect());
    const lane = this.#takeFreeLane() ?? (await this.#credit(deadline));
    const credit = new ReplyCredit(this.#budget, this.#replies, outgoing.replyBytesMax);
    const sent = { number: lane.window.send(), credit };
    const exchange = sendCredited(lane.session, outgoing, credit);
    let late: Promise<void> | undefined;
    const cancel = (): void => {
      late = exchange.cancel();
      // The subrequests of the lookup end one after the other. None of them is to get what another one had.
      if (exchange.dropsReply) queueMicrotask(() => credit.end());
    };
    try {
      const received = await deadline.wait(exchange.reply, cancel);
      const reply = new Reply(received.bytes, () => received.release());
      lane.window.allow(reply.requestCredits);
      // A refusal overtakes what waits at the worker.
      if (reply.error === undefined) lane.window.answered(sent, reply.busyUs / 1_000);
      lane.failures = 0;
      lane.heldUntil = 0;
      return reply;
    } catch (error) {
      if (error instanceof FlexemrError && error.code === 'UNAVAILABLE') this.#hold(lane);
      if (deadline.over !== undefined) lane.window.late(sent);
      throw error;
    } finally {
      lane.window.ended(sent);
      // A cancelled subrequest is in flight until the worker is done with it.
      if (late === undefined) this.#giveBack(lane, credit);
      else void late.then(() => this.#giveBack(lane, credit));
    }
  }

  /** Takes a credit, if there is one and no subrequest waits for it. @returns its lane */
  #takeFreeLane(): Lane | undefined {
    const free = this.#waiting.size === 0 ? this.#freeLane() : undefined;
    if (free !== undefined) free.outstanding++;
    return free;
  }

  /** Waits for a credit, behind the subrequests that already wait. @returns its lane */
  async #credit(deadline: Ending): Promise<Lane> {
    const { promise, resolve } = Promise.withResolvers<Lane | undefined>();
    this.#waiting.add(resolve);
    const undo = deadline.during(() => {
      this.#waiting.delete(resolve);
      resolve(undefined);
    });
    const lane = await promise;
    undo();
    if (lane !== undefined && deadline.over === undefined) return lane;
    if (lane !== undefined) this.#giveBack(lane);
    throw deadline.over;
  }

  #giveBack(lane: Lane, credit?: ReplyCredit): void {
    credit?.end();
    lane.outstanding--;
    this.#grant();
    if (this.#retired) void this.#closeIfIdle();
  }

  /** Gives free credits to the waiting subrequests, in order of arrival. */
  #grant(): void {
    for (const resolve of this.#waiting) {
      const lane = this.#freeLane();
      if (lane === undefined) return;
      lane.outstanding++;
      this.#waiting.delete(resolve);
      resolve(lane);
    }
  }

  /** The worker with the fewest subrequests in flight. One that failed recently is used only if no other is free. */
  #freeLane(): Lane | undefined {
    let best: Lane | undefined;
    let now = 0;
    for (const lane of this.#lanes) if (lane.heldUntil > 0) now = performance.now();
    for (const lane of this.#lanes) {
      if (lane.outstanding >= lane.window.size) continue;
      if (best === undefined || isBetter(lane, best, now)) best = lane;
    }
    return best;
  }

  /** Prefers other workers for a while, because this one went away. Asks the node again: its ports may have changed. */
  #hold(lane: Lane): void {
    lane.failures++;
    lane.heldUntil = performance.now() + Math.min(retryMsMax, retryMsMin * 2 ** lane.failures);
    // An error is ignored here; it shows when the node is asked again.
    this.connect().catch(() => {});
  }

  /** Closes as soon as no subrequest is in flight. Call it after the last lookup that uses this client has ended. */
  async retire(): Promise<void> {
    this.#retired = true;
    await this.#closeIfIdle();
  }

  async #closeIfIdle(): Promise<void> {
    if (this.#lanes.every(({ outstanding }) => outstanding === 0)) await this.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ session }) => session.close()));
  }
}

function contentsOf({ plan, contents, releases = [] }: NodeDescription): NodeContents {
  const all = [...releases, { plan, contents }];
  return new Map(all.map((release) => [release.plan, new Map(Object.entries(release.contents ?? {}))]));
}

function isBetter(lane: Lane, than: Lane, now: number): boolean {
  const [held, thanHeld] = [lane.heldUntil > now, than.heldUntil > now];
  return held === thanHeld ? lane.outstanding < than.outstanding : thanHeld;
}
