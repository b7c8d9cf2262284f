import { FlexemrError } from '../errors.ts';
import { replyBytesMax, sessionWindow, subrequestBytesMax } from '../limits.ts';
import type { Outgoing, Session, Transport } from '../transport/transport.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { wireVersion } from '../wire/layout.ts';
import { Reply } from '../wire/reply.ts';
import type { Patience } from './patience.ts';

/** The way to one worker, and the credits there are for it. */
interface Lane {
  readonly session: Session;
  /** Subrequests under way, and how many may be. */
  outstanding: number;
  window: number;
}

/** What a node takes at once. */
export type NodeLimits = Pick<NodeDescription['limits'], 'subrequestBytes' | 'replyBytes'>;

/** One memory node, as a ranker reaches it: a session to each of its workers, each with a window of credits. */
export class NodeClient {
  readonly id: string;
  readonly #url: string;
  readonly #transport: Transport;
  readonly #waiting: (() => void)[] = [];
  #lanes: Lane[] = [];
  #limits: NodeDescription['limits'] | undefined;
  #connecting: Promise<void> | undefined;

  constructor(id: string, url: string, transport: Transport) {
    this.id = id;
    this.#url = url;
    this.#transport = transport;
  }

  get limits(): NodeLimits {
    return this.#limits ?? { subrequestBytes: subrequestBytesMax / 8, replyBytes: replyBytesMax / 8 };
  }

  /** Knows the node's workers, or asks for them. @throws UNAVAILABLE, UNAUTHORIZED, UNSUPPORTED_VERSION */
  async ready(): Promise<void> {
    if (this.#lanes.length > 0) return;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    const { workers, limits, wireVersions } = await this.#transport.describe(this.#url);
    const [oldest, newest] = wireVersions;
    if (wireVersion < oldest || wireVersion > newest) {
      const message = `memory node ${this.id} speaks versions ${oldest} to ${newest} of the wire, this ranker ${wireVersion}`;
      throw new FlexemrError('UNSUPPORTED_VERSION', message, { node: this.id, value: newest });
    }
    this.#limits = limits;
    const urls = workers.length === 0 ? [this.#url] : workers.map(({ port }) => withPort(this.#url, port));
    const window = Math.min(sessionWindow, limits.sessionWindow);
    this.#lanes = urls.map((url) => ({ session: this.#transport.session(url), outstanding: 0, window }));
  }

  /**
   * Sends to the worker with the least under way; waits for a credit where no worker has one.
   * @throws UNAVAILABLE, what ends `patience`
   */
  async ask(outgoing: Outgoing, patience: Patience): Promise<Reply> {
    if (this.#lanes.length === 0) await this.ready();
    let lane = this.#freeLane();
    while (lane === undefined) {
      await this.#credit(patience);
      if (patience.over) throw patience.over;
      lane = this.#freeLane();
    }
    const exchange = lane.session.send(outgoing);
    lane.outstanding++;
    const undo = patience.during(() => exchange.cancel());
    try {
      const received = await exchange.reply;
      const reply = new Reply(received.bytes, () => received.release());
      lane.window = Math.max(1, Math.min(sessionWindow, reply.load.requestCredits));
      return reply;
    } catch (error) {
      if (error instanceof FlexemrError && error.code === 'UNAVAILABLE') this.#forget(lane);
      throw error;
    } finally {
      undo();
      lane.outstanding--;
      this.#waiting.shift()?.();
    }
  }

  #freeLane(): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of this.#lanes)
      if (lane.outstanding < lane.window && (best === undefined || lane.outstanding < best.outstanding))
        best = lane;
    return best;
  }

  async #credit(patience: Patience): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const undo = patience.during(resolve);
    await promise;
    undo();
    const at = this.#waiting.indexOf(resolve);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** A worker that went away: others may serve, or the node may be back with other ports. */
  #forget(lane: Lane): void {
    if (!this.#lanes.includes(lane)) return;
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    void lane.session.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ session }) => session.close()));
  }
}

function withPort(url: string, port: number): string {
  const own = new URL(url);
  own.port = String(port);
  return own.origin;
}
