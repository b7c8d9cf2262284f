import { FlexemrError, show } from '../errors.ts';
import {
  replyBytesMax,
  retryMsMax,
  retryMsMin,
  sessionWindow,
  subrequestBytesMax,
  subrequestKeysMax,
} from '../limits.ts';
import type { Outgoing, Session, Transport } from '../transport/transport.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { wireVersion, wireVersionOldest } from '../wire/layout.ts';
import { Reply } from '../wire/reply.ts';
import type { Deadline } from './deadline.ts';

/** The way to one worker, and the credits there are for it. */
interface Lane {
  readonly url: string;
  readonly session: Session;
  /** Subrequests under way, and how many may be. */
  outstanding: number;
  window: number;
  /** Failures in a row, and `performance.now()` until which others are preferred for them. */
  failures: number;
  heldUntil: number;
}

/** What a node takes at once. */
export type NodeLimits = Omit<NodeDescription['limits'], 'sessionWindow'>;

/** One memory node, as a ranker reaches it: a session to each of its workers, each with a window of credits. */
export class NodeClient {
  readonly id: string;
  readonly url: string;
  readonly #transport: Transport;
  /** Subrequests that wait for a credit, in the order they came: each is handed a lane with one. */
  readonly #waiting = new Set<(lane: Lane | undefined) => void>();
  #lanes: readonly Lane[] = [];
  #limits: NodeLimits = {
    subrequestBytes: subrequestBytesMax / 8,
    replyBytes: replyBytesMax / 8,
    subrequestKeys: subrequestKeysMax / 8,
  };
  #connecting: Promise<void> | undefined;
  #retired = false;
  #wireVersion = wireVersionOldest;
  #contents: ReadonlyMap<string, string> = new Map();

  constructor(id: string, url: string, transport: Transport) {
    this.id = id;
    this.url = url;
    this.#transport = transport;
  }

  get limits(): NodeLimits {
    return this.#limits;
  }

  /** What the tables in its file are known by, as it said last, by their names. */
  get contents(): ReadonlyMap<string, string> {
    return this.#contents;
  }

  /** The newest version of the wire that both ends speak. */
  get wireVersion(): number {
    return this.#wireVersion;
  }

  /** Rows may be read without asking it, just now. */
  get readsRows(): boolean {
    return this.#lanes.length > 0 && this.#lanes.every(({ session }) => session.readsRows === true);
  }

  /** Asks the node for its workers. @throws UNAVAILABLE, UNAUTHORIZED, UNSUPPORTED_VERSION */
  async connect(): Promise<void> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    const described = await this.#transport.describe(this.url);
    const { node, plan, workers, limits, wireVersions } = described;
    if (node !== this.id) {
      const message = `memory node ${this.id} is to be at ${this.url}, where memory node ${show(node)} answers: mend its url in the routing table`;
      throw new FlexemrError('INVALID_ROUTING', message, { node: this.id, field: 'url', value: this.url });
    }
    if (plan === '') {
      // It does not know its limits yet, nor all of its workers.
      const message = `memory node ${this.id} has not loaded its tables yet; try again`;
      throw new FlexemrError('UNAVAILABLE', message, { node: this.id });
    }
    const [oldest, newest] = wireVersions;
    if (wireVersion < oldest || wireVersionOldest > newest) {
      const message = `memory node ${this.id} speaks versions ${oldest} to ${newest} of the wire, this ranker ${wireVersionOldest} to ${wireVersion}`;
      throw new FlexemrError('UNSUPPORTED_VERSION', message, { node: this.id, value: newest });
    }
    this.#wireVersion = Math.min(wireVersion, newest);
    this.#contents = new Map(Object.entries(described.contents ?? {}));
    const urls = workers.length === 0 ? [this.url] : workers.map(({ port }) => withPort(this.url, port));
    const before = new Map(this.#lanes.map((lane) => [lane.url, lane]));
    this.#limits = limits;
    this.#lanes = urls.map((url) => before.get(url) ?? this.#lane(url, limits.sessionWindow));
    for (const lane of before.values()) if (!this.#lanes.includes(lane)) void lane.session.close();
    this.#grant();
  }

  #lane(url: string, window: number): Lane {
    const session = this.#transport.session(url);
    return {
      ...{ url, session, outstanding: 0, window: Math.min(sessionWindow, window) },
      ...{ failures: 0, heldUntil: 0 },
    };
  }

  /**
   * Sends to the worker with the least under way; waits for a credit where no worker has one.
   * @throws UNAVAILABLE, and why the lookup is over
   */
  async ask(outgoing: Outgoing, deadline: Deadline): Promise<Reply> {
    if (this.#lanes.length === 0) await deadline.wait(this.connect());
    const lane = await this.#credit(deadline);
    const exchange = lane.session.send(outgoing);
    let late: Promise<void> | undefined;
    const undo = deadline.during(() => {
      late = exchange.cancel();
    });
    try {
      const received = await deadline.wait(exchange.reply);
      const reply = new Reply(received.bytes, () => received.release());
      lane.window = Math.max(1, Math.min(sessionWindow, reply.load.requestCredits));
      lane.failures = 0;
      lane.heldUntil = 0;
      return reply;
    } catch (error) {
      if (error instanceof FlexemrError && error.code === 'UNAVAILABLE') this.#hold(lane);
      throw error;
    } finally {
      undo();
      // A worker that is not done with a subrequest gets no other in its place.
      if (late === undefined) this.#giveBack(lane);
      else void late.then(() => this.#giveBack(lane));
    }
  }

  /** A lane with a credit, which is taken; newcomers wait behind those who wait already. */
  async #credit(deadline: Deadline): Promise<Lane> {
    const free = this.#waiting.size === 0 ? this.#freeLane() : undefined;
    if (free !== undefined) {
      free.outstanding++;
      return free;
    }
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

  #giveBack(lane: Lane): void {
    lane.outstanding--;
    this.#grant();
    if (this.#retired) void this.#closeIfIdle();
  }

  /** Hands every credit there is to those who wait, in the order they came. */
  #grant(): void {
    for (const resolve of this.#waiting) {
      const lane = this.#freeLane();
      if (lane === undefined) return;
      lane.outstanding++;
      this.#waiting.delete(resolve);
      resolve(lane);
    }
  }

  /** The worker with the least under way; one that failed lately only where there is no other. */
  #freeLane(): Lane | undefined {
    const now = this.#lanes.some(({ heldUntil }) => heldUntil > 0) ? performance.now() : 0;
    let best: Lane | undefined;
    for (const lane of this.#lanes) {
      if (lane.outstanding >= lane.window) continue;
      if (best === undefined || isBetter(lane, best, now)) best = lane;
    }
    return best;
  }

  /** A worker that went away: others may serve meanwhile, and the node may be back with other ports. */
  #hold(lane: Lane): void {
    lane.failures++;
    lane.heldUntil = performance.now() + Math.min(retryMsMax, retryMsMin * 2 ** lane.failures);
    // What comes of it shows when the node is asked again.
    this.connect().catch(() => {});
  }

  /** Closes once what is under way has ended: no lookup will come any more. */
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

function isBetter(lane: Lane, than: Lane, now: number): boolean {
  const [held, thanHeld] = [lane.heldUntil > now, than.heldUntil > now];
  return held === thanHeld ? lane.outstanding < than.outstanding : thanHeld;
}

function withPort(url: string, port: number): string {
  const own = new URL(url);
  own.port = String(port);
  return own.origin;
}
