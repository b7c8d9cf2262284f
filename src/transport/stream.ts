import { smallReplyBytesMax, smallSubrequestBytesMax } from '../limits.ts';
import { ReplyPool } from './reply-pool.ts';
import type { ClientSecurity } from './security.ts';
import { NotAStream, StreamConnection } from './stream-connection.ts';
import type { Exchange, Outgoing, Session, Transport } from './transport.ts';

/**
 * Framed streams: the fast way. Where a node does not offer them, its frames go by `fallback` from then on.
 * Each session has a connection for small frames and, once there are any, one for large ones.
 */
export class StreamTransport implements Transport {
  readonly name = 'stream';
  readonly #security: ClientSecurity;
  readonly #fallback: Transport;
  readonly #sessions = new Set<StreamSession>();
  readonly #replies = new ReplyPool();
  #bytesOut = 0;
  #bytesIn = 0;

  /** @param fallback also asks nodes to describe themselves */
  constructor(fallback: Transport, security: ClientSecurity = {}) {
    this.#fallback = fallback;
    this.#security = security;
  }

  session(url: string): Session {
    const session = new StreamSession(url, this.#security, this.#fallback, this.#replies, (traffic) => {
      this.#bytesOut += traffic.bytesOut;
      this.#bytesIn += traffic.bytesIn;
    });
    this.#sessions.add(session);
    return session;
  }

  describe(url: string): ReturnType<Transport['describe']> {
    return this.#fallback.describe(url);
  }

  traffic(): ReturnType<Transport['traffic']> {
    const all = [this.#fallback.traffic(), ...[...this.#sessions].map((session) => session.traffic)];
    return {
      bytesOut: all.reduce((sum, { bytesOut }) => sum + bytesOut, this.#bytesOut),
      bytesIn: all.reduce((sum, { bytesIn }) => sum + bytesIn, this.#bytesIn),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await this.#fallback.close();
  }
}

type Lane = 'small' | 'bulk';

class StreamSession implements Session {
  readonly #url: string;
  readonly #security: ClientSecurity;
  readonly #fallback: Transport;
  readonly #replies: ReplyPool;
  readonly #onEnd: (traffic: { bytesOut: number; bytesIn: number }) => void;
  readonly #connections = new Map<Lane, StreamConnection>();
  #instead: Session | undefined;

  constructor(
    url: string,
    security: ClientSecurity,
    fallback: Transport,
    replies: ReplyPool,
    onEnd: (traffic: { bytesOut: number; bytesIn: number }) => void,
  ) {
    this.#url = url;
    this.#security = security;
    this.#fallback = fallback;
    this.#replies = replies;
    this.#onEnd = onEnd;
  }

  send(outgoing: Outgoing): Exchange {
    if (this.#instead) return this.#instead.send(outgoing);
    const exchange = this.#connection(laneOf(outgoing)).send(outgoing);
    let current = exchange;
    const reply = exchange.reply.catch((error: unknown) => {
      if (!(error instanceof NotAStream)) throw error;
      this.#instead ??= this.#fallback.session(this.#url);
      current = this.#instead.send(outgoing);
      return current.reply;
    });
    return { reply, cancel: () => current.cancel() };
  }

  #connection(lane: Lane): StreamConnection {
    const connection = this.#connections.get(lane);
    if (connection !== undefined && connection.error === undefined) return connection;
    if (connection) this.#onEnd(connection.traffic);
    const fresh = new StreamConnection(this.#url, this.#security, this.#replies);
    this.#connections.set(lane, fresh);
    return fresh;
  }

  get traffic(): { bytesOut: number; bytesIn: number } {
    const all = [...this.#connections.values()].map(({ traffic }) => traffic);
    return {
      bytesOut: all.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
      bytesIn: all.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
    await this.#instead?.close();
  }
}

function laneOf({ bytes, replyBytes }: Outgoing): Lane {
  return bytes <= smallSubrequestBytesMax && replyBytes <= smallReplyBytesMax ? 'small' : 'bulk';
}
