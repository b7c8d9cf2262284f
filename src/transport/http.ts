import type { Socket } from 'node:net';
// Imported by file, because Bun has its own `undici`, which lacks most of the API.
import { buildConnector, type Dispatcher, Pool } from 'undici/index.js';
import { FlexemrError } from '../errors.ts';
import {
  connectMsMax,
  descriptionBytesMax,
  httpConnectionsDefault,
  httpPipeliningDefault,
  refusedBodyBytesMax,
  subrequestMsMax,
} from '../limits.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { frameType } from '../wire/media-type.ts';
import { withTraceparent } from '../wire/traceparent.ts';
import { textOf } from './body-text.ts';
import { readDescription } from './description.ts';
import { FrameIds } from './frame-ids.ts';
import { frameLength, wrongLength } from './frame-length.ts';
import { expectEnd } from './late-replies.ts';
import type { ClientSecurity } from './security.ts';
import {
  type Exchange,
  isTls,
  type Outgoing,
  type Received,
  type Session,
  type Traffic,
  type Transport,
  unwanted,
} from './transport.ts';
import { released, unauthorized, unavailable } from './unavailable.ts';

/** Plain HTTP/1.1 with undici. It works wherever HTTP works. Requests are pipelined on a few connections. */
export class HttpTransport implements Transport {
  readonly name = 'http';
  readonly #security: ClientSecurity;
  readonly #pools = new Map<string, Pool>();
  readonly #sockets = new Set<Socket>();
  readonly #replies = new BufferPool();
  readonly #ids = new FrameIds();
  #ended: Traffic = { bytesOut: 0, bytesIn: 0 };
  #closed = false;

  constructor(security: ClientSecurity = {}) {
    this.#security = security;
  }

  /** @throws RELEASED */
  #pool(url: string): Pool {
    if (this.#closed) throw released(url);
    const { origin } = new URL(url);
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: httpConnectionsDefault,
        pipelining: httpPipeliningDefault,
        headersTimeout: subrequestMsMax,
        bodyTimeout: subrequestMsMax,
        connect: this.#connector(),
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** undici's own connector, which also records the sockets to count their traffic. */
  #connector(): buildConnector.connector {
    const { ca, cert, key } = this.#security;
    const tls = ca === undefined && cert === undefined ? {} : { ca, cert, key };
    const connect = buildConnector({ ...tls, timeout: connectMsMax, allowH2: false });
    return (options, callback) =>
      connect(options, (...[error, socket]) => {
        if (error) return callback(error, null);
        this.#sockets.add(socket);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          this.#ended = added(this.#ended, socket);
        });
        callback(null, socket);
      });
  }

  get #headers(): Record<string, string> {
    const { token } = this.#security;
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  session(url: string): Session {
    const pool = this.#pool(url);
    const headers = { ...this.#headers, 'content-type': frameType };
    return {
      send: (outgoing) => {
        const frame = frameOf(outgoing, this.#ids.next(outgoing), !isTls(url));
        const receiver = new Receiver(url, this.#replies, outgoing.replyBytesMax);
        return send(pool, receiver, withTraceparent(headers, outgoing.trace), frame);
      },
      close: async () => {},
    };
  }

  async describe(url: string): Promise<NodeDescription> {
    try {
      const { statusCode, body } = await this.#pool(url).request({
        method: 'GET',
        path: '/v1/tables',
        headers: this.#headers,
        signal: AbortSignal.timeout(connectMsMax),
      });
      if (statusCode === 200) return readDescription(url, await textOf(body, descriptionBytesMax));
      await body.dump();
      if (statusCode === 401) throw unauthorized(url);
      throw unavailable(url, `answers HTTP ${statusCode}`);
    } catch (cause) {
      throw cause instanceof FlexemrError ? cause : unavailable(url, 'cannot be reached', cause);
    }
  }

  traffic(): Traffic {
    return [...this.#sockets].reduce(added, this.#ended);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

function added(traffic: Traffic, { bytesWritten, bytesRead }: Socket): Traffic {
  return { bytesOut: traffic.bytesOut + bytesWritten, bytesIn: traffic.bytesIn + bytesRead };
}

function frameOf(outgoing: Outgoing, id: number, exposed: boolean): Buffer {
  const words = new Uint32Array(outgoing.bytes >>> 2);
  outgoing.write(words, 0, id, exposed);
  return Buffer.from(words.buffer);
}

function send(pool: Pool, receiver: Receiver, headers: Record<string, string>, body: Buffer): Exchange {
  // undici pipelines a POST only if it is told that the POST may be repeated and that it does not block others.
  pool.dispatch(
    { method: 'POST', path: '/v1/lookup', headers, body, idempotent: true, blocking: false },
    receiver,
  );
  return { reply: receiver.reply, cancel: () => receiver.cancel() };
}

/** Receives one response into memory that fits its length. */
class Receiver implements Dispatcher.DispatchHandler {
  readonly reply: Promise<Received>;
  readonly #url: string;
  readonly #bytesMax: number;
  readonly #settle: PromiseWithResolvers<Received>;
  readonly #pool: BufferPool;
  readonly #over = Promise.withResolvers<void>();
  #received: Received | undefined;
  /** Bytes of the body received so far. Undefined before the body begins and after it has ended. */
  #filled: number | undefined;
  #cancelled = false;
  #controller: Dispatcher.DispatchController | undefined;

  /** @param bytesMax length of the longest valid reply */
  constructor(url: string, pool: BufferPool, bytesMax: number) {
    this.#url = url;
    this.#pool = pool;
    this.#bytesMax = bytesMax;
    this.#settle = Promise.withResolvers();
    this.reply = this.#settle.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    this.#filled = 0;
    const length = headers['content-length'];
    const isFrame = headers['content-type'] === frameType;
    const bytes = isFrame ? frameLength(length, this.#bytesMax) : undefined;
    if (bytes !== undefined) this.#received = this.#pool.take(bytes);
    else if (status === 401) this.#refuse(unauthorized(this.#url));
    else if (isFrame) this.#refuse(unavailable(this.#url, wrongLength(length, this.#bytesMax)));
    else this.#refuse(unavailable(this.#url, `answers HTTP ${status} without a frame`));
    if (this.#cancelled) this.#expectEnd();
  }

  /** Rejects the reply. The rest of the body is not needed, and it may have no end. */
  #refuse(error: Error): void {
    this.#settle.reject(error);
    this.#expectEnd();
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#filled === undefined) return;
    this.#received?.bytes.set(chunk, this.#filled);
    this.#filled += chunk.length;
    // A short refused body may end, so that its connection can be used again.
    if (this.#received === undefined && this.#filled > refusedBodyBytesMax)
      this.#controller?.abort(unavailable(this.#url, 'sends an answer that does not end'));
  }

  onResponseEnd(): void {
    const filled = this.#filled;
    this.#filled = undefined;
    if (this.#cancelled) this.#received?.release();
    else if (this.#received?.bytes.length === filled) this.#settle.resolve(this.#received as Received);
    else this.#settle.reject(unavailable(this.#url, `ended its reply too early, after ${filled} bytes`));
    this.#over.resolve();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#filled = undefined;
    this.#settle.reject(unavailable(this.#url, 'cannot be reached', error));
    this.#over.resolve();
  }

  /** Aborting would close a connection that others use. So the response may end, and is then dropped. */
  async cancel(): Promise<void> {
    this.#cancelled = true;
    this.#settle.reject(unwanted());
    this.#expectEnd();
    await this.#over.promise;
  }

  #expectEnd(): void {
    expectEnd(
      () => this.#filled,
      () => this.#controller?.abort(unavailable(this.#url, 'does not end its reply')),
    );
  }
}
