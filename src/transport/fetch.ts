import { FlexemrError } from '../errors.ts';
import { connectMsMax, descriptionBytesMax, fetchConnectionsMax } from '../limits.ts';
import { byProxy } from '../proxy.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { frameType } from '../wire/media-type.ts';
import { withTraceparent } from '../wire/traceparent.ts';
import { textOf } from './body-text.ts';
import { readDescription } from './description.ts';
import { FetchExchange } from './fetch-exchange.ts';
import { FrameIds } from './frame-ids.ts';
import {
  type Exchange,
  isTls,
  type Outgoing,
  type Received,
  type Session,
  type Transport,
  unpooled,
  unwanted,
} from './transport.ts';
import { released, unauthorized, unavailable } from './unavailable.ts';

/** Uses only the runtime's own `fetch`, for edge runtimes. A session has at most six requests in flight. */
export class FetchTransport implements Transport {
  readonly name = 'fetch';
  readonly #headers: Record<string, string>;
  /** Requests that are not answered yet, with their addresses. */
  readonly #underWay = new Map<FetchExchange, string>();
  readonly #ids = new FrameIds();
  #bytesOut = 0;
  #bytesIn = 0;
  #closed = false;

  constructor({ token }: { readonly token?: string | undefined } = {}) {
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  session(url: string): Session {
    const turns = new Turns();
    const send = (outgoing: Outgoing): Exchange => {
      const exchange = new FetchExchange(url, outgoing.replyBytesMax);
      const turn = new AbortController();
      const { promise: cancelled, reject } = Promise.withResolvers<never>();
      const over = turns.take(turn.signal, () => this.#exchange(url, outgoing, exchange));
      const cancel = async (): Promise<void> => {
        const reason = unwanted();
        turn.abort(reason);
        exchange.leave();
        reject(reason);
        await over.catch(() => {});
      };
      return { reply: Promise.race([over, cancelled]), cancel };
    };
    return { send, close: async () => {} };
  }

  async #exchange(url: string, outgoing: Outgoing, exchange: FetchExchange): Promise<Received> {
    if (this.#closed) throw released(url);
    const words = new Uint32Array(outgoing.bytes >>> 2);
    outgoing.write(words, 0, this.#ids.next(outgoing), !isTls(url));
    this.#bytesOut += outgoing.bytes;
    this.#underWay.set(exchange, url);
    try {
      const headers = withTraceparent({ ...this.#headers, 'content-type': frameType }, outgoing.trace);
      const reply = await exchange.post(new Uint8Array(words.buffer), headers);
      this.#bytesIn += reply.length;
      return unpooled(reply);
    } catch (cause) {
      throw cause instanceof FlexemrError
        ? cause
        : unavailable(url, `cannot be reached${byProxy(url)}`, cause);
    } finally {
      this.#underWay.delete(exchange);
    }
  }

  async describe(url: string): Promise<NodeDescription> {
    const signal = AbortSignal.timeout(connectMsMax);
    const target = `${new URL(url).origin}/v1/tables`;
    try {
      const response = await fetch(target, { headers: this.#headers, signal, redirect: 'manual' });
      if (response.ok) return readDescription(url, await textOf(response.body ?? [], descriptionBytesMax));
      await response.body?.cancel();
      if (response.status === 401) throw unauthorized(url);
      throw unavailable(url, `answers HTTP ${response.status}${byProxy(url)}`);
    } catch (cause) {
      throw cause instanceof FlexemrError
        ? cause
        : unavailable(url, `cannot be reached${byProxy(url)}`, cause);
    }
  }

  traffic(): ReturnType<Transport['traffic']> {
    return { bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const [exchange, url] of this.#underWay) exchange.end(released(url));
  }
}

/** Runs as many tasks at a time as runtimes allow. The others wait in a queue. */
class Turns {
  #busy = 0;
  readonly #queue = new Set<() => void>();

  /** Runs `work` when it is its turn. @throws the reason of `signal`, without running `work`, if it is aborted first */
  async take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#busy < fetchConnectionsMax) this.#busy++;
    else await this.#turn(signal);
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const [next] = this.#queue;
      if (next === undefined) this.#busy--;
      else {
        this.#queue.delete(next);
        next();
      }
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#queue.delete(resolve);
      reject(signal.reason);
    };
    this.#queue.add(resolve);
    signal.addEventListener('abort', leave);
    await promise.finally(() => signal.removeEventListener('abort', leave));
  }
}
