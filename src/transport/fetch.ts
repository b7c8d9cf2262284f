import { FlexemrError } from '../errors.ts';
import { connectMsMax, fetchConnectionsMax } from '../limits.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { frameType } from '../wire/media-type.ts';
import {
  type Exchange,
  type Outgoing,
  type Received,
  type Session,
  type Transport,
  unpooled,
} from './transport.ts';
import { unauthorized, unavailable } from './unavailable.ts';

/** The runtime's own fetch, and nothing else: for edge runtimes. At most six requests to a node at a time. */
export class FetchTransport implements Transport {
  readonly name = 'fetch';
  readonly #headers: Record<string, string>;
  #bytesOut = 0;
  #bytesIn = 0;

  constructor({ token }: { readonly token?: string | undefined } = {}) {
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  session(url: string): Session {
    const turns = new Turns();
    const send = (outgoing: Outgoing): Exchange => {
      const abort = new AbortController();
      const reply = turns.take(abort.signal, () => this.#exchange(url, outgoing, abort.signal));
      const cancel = async (): Promise<void> => {
        abort.abort(new FlexemrError('CANCELLED', 'nobody waits for this subrequest any more'));
        // Its connection is closed with it.
        await reply.catch(() => {});
      };
      return { reply, cancel };
    };
    return { send, close: async () => {} };
  }

  async #exchange(url: string, outgoing: Outgoing, signal: AbortSignal): Promise<Received> {
    const words = new Uint32Array(outgoing.bytes >>> 2);
    outgoing.write(words, 0);
    this.#bytesOut += outgoing.bytes;
    try {
      signal.throwIfAborted();
      const headers = { ...this.#headers, 'content-type': frameType };
      const response = await fetch(`${new URL(url).origin}/v1/lookup`, {
        method: 'POST',
        headers,
        body: new Uint8Array(words.buffer),
        signal,
      });
      const body = new Uint8Array(await response.arrayBuffer());
      this.#bytesIn += body.length;
      if (response.headers.get('content-type') === frameType) return unpooled(body);
      if (response.status === 401) throw unauthorized(url);
      throw unavailable(url, `answers HTTP ${response.status}, and no frame`);
    } catch (cause) {
      throw cause instanceof FlexemrError ? cause : unavailable(url, 'cannot be reached', cause);
    }
  }

  async describe(url: string): Promise<NodeDescription> {
    const signal = AbortSignal.timeout(connectMsMax);
    const target = `${new URL(url).origin}/v1/tables`;
    const response = await fetch(target, { headers: this.#headers, signal }).catch((cause: unknown) => {
      throw unavailable(url, 'cannot be reached', cause);
    });
    if (response.ok) return (await response.json()) as NodeDescription;
    if (response.status === 401) throw unauthorized(url);
    throw unavailable(url, `answers HTTP ${response.status}`);
  }

  traffic(): ReturnType<Transport['traffic']> {
    return { bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  async close(): Promise<void> {}
}

/** So many at a time as runtimes allow; the others in the order they came. */
class Turns {
  #busy = 0;
  readonly #queue = new Set<() => void>();

  /** Does it when it is its turn. @throws the reason of `signal`, without a turn where that comes first */
  async take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#busy < fetchConnectionsMax) this.#busy++;
    else await this.#turn(signal);
    try {
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
