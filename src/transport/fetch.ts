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
    let busy = 0;
    const queue: (() => void)[] = [];
    const turn = async (): Promise<void> => {
      if (busy >= fetchConnectionsMax) await new Promise<void>((resolve) => queue.push(resolve));
      else busy++;
    };
    const done = (): void => {
      const next = queue.shift();
      if (next) next();
      else busy--;
    };
    const send = (outgoing: Outgoing): Exchange => {
      const abort = new AbortController();
      const reply = (async () => {
        await turn();
        try {
          return await this.#exchange(url, outgoing, abort.signal);
        } finally {
          done();
        }
      })();
      const reason = new FlexemrError('CANCELLED', 'nobody waits for this subrequest any more');
      return { reply, cancel: () => abort.abort(reason) };
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
