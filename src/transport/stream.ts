import { receiveBufferBytes, smallReplyBytesMax, smallSubrequestBytesMax } from '../limits.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import type { ClientSecurity } from './security.ts';
import { NotAStream, StreamConnection } from './stream-connection.ts';
import type { Exchange, Outgoing, ReplyBound, Session, Traffic, Transport } from './transport.ts';
import { released } from './unavailable.ts';

/**
 * Framed streams, the fast transport over sockets. If a node does not offer them, its frames use `fallback` from then
 * on. Each session has a connection for small frames, and a second one as soon as there are large frames.
 */
export class StreamTransport implements Transport {
  readonly name = 'stream';
  readonly #fallback: Transport;
  readonly #shared: Shared;
  readonly #sessions = new Set<StreamSession>();
  /** Traffic of connections that were closed. */
  #ended: Traffic = { bytesOut: 0, bytesIn: 0 };

  /**
   * @param fallback also gets the descriptions of nodes
   * @param laneOf chooses the connection of a session for a subrequest; default: by its size and the size of its reply
   */
  constructor(
    fallback: Transport,
    security: ClientSecurity = {},
    laneOf: (outgoing: Outgoing) => Lane = laneBySize,
  ) {
    const onEnd = (traffic: Traffic): void => {
      this.#ended = sum([this.#ended, traffic]);
    };
    const received = new Uint8Array(receiveBufferBytes);
    this.#fallback = fallback;
    this.#shared = { fallback, security, laneOf, replies: new BufferPool(), received, onEnd };
  }

  session(url: string): Session {
    const session = new StreamSession(url, this.#shared, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return session;
  }

  describe(url: string): ReturnType<Transport['describe']> {
    return this.#fallback.describe(url);
  }

  traffic(): Traffic {
    const open = [...this.#sessions].map((session) => session.traffic);
    return sum([this.#ended, this.#fallback.traffic(), ...open]);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await this.#fallback.close();
  }
}

/** The connections of a session. */
export type Lane = 'small' | 'bulk';

/** What the sessions of a transport share. */
interface Shared {
  readonly fallback: Transport;
  readonly security: ClientSecurity;
  readonly laneOf: (outgoing: Outgoing) => Lane;
  readonly replies: BufferPool;
  /** The buffer for reads of all connections. */
  readonly received: Uint8Array;
  /** Called with the traffic of a connection that was closed. */
  readonly onEnd: (traffic: Traffic) => void;
}

class StreamSession implements Session {
  readonly #url: string;
  readonly #shared: Shared;
  readonly #onClose: () => void;
  readonly #connections = new Map<Lane, StreamConnection>();
  #instead: Session | undefined;
  #closed = false;

  constructor(url: string, shared: Shared, onClose: () => void) {
    this.#url = url;
    this.#shared = shared;
    this.#onClose = onClose;
  }

  /** A new connection does not know yet whether its worker takes credits. */
  replyBound(outgoing: Outgoing): ReplyBound {
    if (this.#instead) return this.#instead.replyBound?.(outgoing) ?? 'reserve';
    return this.#connections.get(this.#shared.laneOf(outgoing))?.takesCredits ? 'hold' : 'reserve';
  }

  send(outgoing: Outgoing, held = false): Exchange {
    if (this.#closed) return { reply: Promise.reject(released(this.#url)), cancel: async () => {} };
    if (this.#instead) return this.#instead.send(outgoing, held);
    const connection = this.#connection(this.#shared.laneOf(outgoing));
    const exchange = connection.send(outgoing, held);
    if (connection.isUpgraded) return exchange;
    let current = exchange;
    const reply = exchange.reply.catch((error: unknown) => {
      if (!(error instanceof NotAStream)) throw error;
      this.#instead ??= this.#shared.fallback.session(this.#url);
      current = this.#instead.send(outgoing);
      return current.reply;
    });
    return { reply, cancel: () => current.cancel() };
  }

  async connect(): Promise<void> {
    if (!this.#closed && this.#instead === undefined) await this.#connection('small').tried;
  }

  #connection(lane: Lane): StreamConnection {
    const connection = this.#connections.get(lane);
    if (connection !== undefined && connection.error === undefined) return connection;
    const { security, replies, received, onEnd } = this.#shared;
    if (connection) onEnd(connection.traffic);
    const fresh = new StreamConnection(this.#url, security, replies, received);
    this.#connections.set(lane, fresh);
    return fresh;
  }

  get traffic(): Traffic {
    return sum([...this.#connections.values()].map(({ traffic }) => traffic));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
    this.#shared.onEnd(this.traffic);
    this.#connections.clear();
    this.#onClose();
    await this.#instead?.close();
  }
}

function laneBySize({ bytes, replyBytes }: Outgoing): Lane {
  return bytes <= smallSubrequestBytesMax && replyBytes <= smallReplyBytesMax ? 'small' : 'bulk';
}

function sum(all: readonly Traffic[]): Traffic {
  return {
    bytesOut: all.reduce((total, { bytesOut }) => total + bytesOut, 0),
    bytesIn: all.reduce((total, { bytesIn }) => total + bytesIn, 0),
  };
}
