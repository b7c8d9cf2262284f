// The production stream transport over the simulated network, with a count of the credits that are in use.
import { sessionWindow } from '../../src/limits.ts';
import { token } from '../../src/simulation/cluster.ts';
import { Descriptions } from '../../src/simulation/descriptions.ts';
import type { Network } from '../../src/simulation/network.ts';
import type { World } from '../../src/simulation/world.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Exchange, Outgoing, Session, Transport } from '../../src/transport/transport.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';

/** The credits of the sessions with one address. */
interface Credits {
  taken: number;
  returned: number;
}

/** What is counted of a ranker, also for `Load` and the checks at the end. */
export interface CountedReplies {
  /** Subrequests whose reply had to wait at the node. */
  readonly held: number;
  /** Bytes of replies that nodes may send now. */
  readonly replyBytes: number;
  /** Subrequests in flight that were not cancelled. */
  readonly wanted: number;
  /** Credits in use, of all sessions with an address, or of all sessions. */
  outstanding(urls?: ReadonlySet<string>): number;
}

/** The budget of the ranker, and its part that is for large replies. */
export interface RepliesRoom {
  readonly bytes: number;
  readonly longest: number;
  /** Bytes of replies that nodes may send now, over all transports of the ranker. Default: over this one. */
  readonly all?: (() => number) | undefined;
  /** It also sends what other engines ask for, which may be cancelled at once. */
  readonly forOthers?: boolean | undefined;
  /** How long a node may take to drop a reply that waits, when nobody wants it any more. */
  readonly dropMsMax: number;
  /** Whether a fault explains that something has taken long since then. */
  readonly isExplained: (since: number) => boolean;
}

/**
 * Counts subrequests whose credit is taken: from `send` until the reply, an error, or the end of what was cancelled. And bytes of
 * replies that nodes may send: from `send` or `grant` on, until then.
 */
export class CountedTransport implements Transport, CountedReplies {
  readonly name = 'stream';
  readonly #inner: StreamTransport;
  readonly #world: World;
  readonly #credits = new Map<string, Credits>();
  /** Sessions that are open, by their addresses. */
  readonly open = new Map<string, number>();
  readonly #room: RepliesRoom;
  /** Bytes of replies that were granted, and those of them that have come or never will. */
  #granted = 0;
  #returned = 0;
  /** Subrequests whose reply had to wait at the node. */
  held = 0;
  /** Subrequests in flight that were not cancelled. */
  wanted = 0;

  constructor(network: Network, world: World, room: RepliesRoom) {
    this.#inner = new StreamTransport(new Descriptions(network), { token });
    this.#world = world;
    this.#room = room;
  }

  session(url: string): Session {
    const inner = this.#inner.session(url);
    const count = (by: number): unknown => this.open.set(url, (this.open.get(url) ?? 0) + by);
    count(1);
    let closed = false;
    /** Subrequests of this session that have not ended. */
    let inFlight = 0;
    const counted = (exchange: Exchange): Exchange => {
      inFlight++;
      const ended = (): void => void inFlight--;
      exchange.reply.then(ended, ended);
      return exchange;
    };
    return {
      connect: () => inner.connect?.() ?? Promise.resolve(),
      replyBound: (outgoing) => inner.replyBound?.(outgoing) ?? 'reserve',
      send: (outgoing, held = false) => counted(this.#send(inner, url, outgoing, held)),
      close: () => {
        if (!closed) count(-1);
        closed = true;
        if (inFlight > 0 && this.#room.forOthers === true)
          this.#world.fail(
            new Error(`a connection to ${url} is closed, and ${inFlight} subrequests wait for it`),
          );
        return inner.close();
      },
    };
  }

  /** Bytes of replies that nodes may send now. */
  get replyBytes(): number {
    return this.#granted - this.#returned;
  }

  #grant(bytes: number): void {
    this.#granted += bytes;
    const all = this.#room.all?.() ?? this.replyBytes;
    if (all > this.#room.bytes)
      this.#world.fail(new Error(`${all} bytes of replies are granted, of ${this.#room.bytes}`));
  }

  #send(inner: Session, url: string, outgoing: Outgoing, held: boolean): Exchange {
    const replyBytes = Math.min(outgoing.replyBytesMax, this.#room.longest);
    let granted = !held;
    if (held) this.held++;
    else this.#grant(replyBytes);
    const credits = this.#credits.get(url) ?? { taken: 0, returned: 0 };
    this.#credits.set(url, credits);
    credits.taken++;
    if (credits.taken - credits.returned > sessionWindow)
      this.#world.fail(new Error(`more than ${sessionWindow} subrequests are in flight to ${url}`));
    const exchange = inner.send(outgoing, held);
    const { steps } = this.#world;
    let [cancelled, given] = [false, false];
    const giveBytes = (): void => {
      if (!given && granted) this.#returned += replyBytes;
      given = true;
    };
    const give = (): void => {
      credits.returned++;
      giveBytes();
    };
    this.wanted++;
    const settled = (): void => {
      if (cancelled) return;
      this.wanted--;
      give();
    };
    exchange.reply.then(settled, settled);
    return {
      reply: exchange.reply,
      dropsReply: exchange.dropsReply ?? false,
      grant: () => {
        if (granted) this.#world.fail(new Error(`a reply of ${url} was granted twice`));
        // It may have ended in the same step.
        if (!given) this.#grant(replyBytes);
        granted = !given;
        exchange.grant?.();
      },
      cancel: async () => {
        if (!cancelled && !given) this.wanted--;
        cancelled = true;
        if (this.#world.steps === steps && this.#room.forOthers !== true)
          this.#world.fail(new Error(`a lookup that had ended sent a subrequest to ${url}`));
        const { now } = this.#world;
        const waits = held && !granted;
        const done = exchange.cancel();
        if (exchange.dropsReply) giveBytes();
        await done;
        give();
        if (waits && this.#world.now > now + this.#room.dropMsMax && !this.#room.isExplained(now))
          this.#world.fail(new Error(`a reply of ${url} waits ${this.#world.now - now} ms for nobody`));
      },
    };
  }

  /** Credits in use, of all sessions with an address, or of all sessions. */
  outstanding(urls?: ReadonlySet<string>): number {
    let sum = 0;
    for (const [url, { taken, returned }] of this.#credits)
      if (urls === undefined || urls.has(url)) sum += taken - returned;
    return sum;
  }

  describe(url: string): Promise<NodeDescription> {
    return this.#inner.describe(url);
  }

  traffic(): ReturnType<Transport['traffic']> {
    return this.#inner.traffic();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
