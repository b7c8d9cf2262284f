import { FlexemrError } from '../errors.ts';
import { connectMsMax, fetchConnectionsMax, subrequestMsMax } from '../limits.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { frameType } from '../wire/media-type.ts';
import { readDescription } from './description.ts';
import { FrameIds } from './frame-ids.ts';
import {
  type Exchange,
  isTls,
  type Outgoing,
  type Received,
  type Session,
  type Transport,
  unpooled,
} from './transport.ts';
import { released, unauthorized, unavailable } from './unavailable.ts';

/** The runtime's own fetch, and nothing else: for edge runtimes. At most six requests to a node at a time. */
export class FetchTransport implements Transport {
  readonly name = 'fetch';
  readonly #headers: Record<string, string>;
  /** Requests that are not answered, and where they went. */
  readonly #underWay = new Map<AbortController, string>();
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
      const abort = new AbortController();
      const { promise: cancelled, reject } = Promise.withResolvers<never>();
      const over = turns.take(abort.signal, () => this.#exchange(url, outgoing));
      const cancel = async (): Promise<void> => {
        const reason = new FlexemrError('CANCELLED', 'nobody waits for this subrequest any more');
        abort.abort(reason);
        reject(reason);
        await over.catch(() => {});
      };
      return { reply: Promise.race([over, cancelled]), cancel };
    };
    return { send, close: async () => {} };
  }

  /**
   * Goes on when it is cancelled: aborted, it would take its connection with it, of which a node that stalls does not
   * hear, and the next one would open another.
   */
  async #exchange(url: string, outgoing: Outgoing): Promise<Received> {
    if (this.#closed) throw released(url);
    const words = new Uint32Array(outgoing.bytes >>> 2);
    outgoing.write(words, 0, this.#ids.next(), !isTls(url));
    this.#bytesOut += outgoing.bytes;
    const abort = new AbortController();
    const giveUp = (): void => abort.abort(unavailable(url, 'does not answer'));
    // A worker answers sooner than that, if only that it is too late.
    const timer = setTimeout(giveUp, subrequestMsMax + connectMsMax);
    this.#underWay.set(abort, url);
    try {
      return await this.#post(url, new Uint8Array(words.buffer), abort.signal);
    } catch (cause) {
      throw cause instanceof FlexemrError ? cause : unavailable(url, 'cannot be reached', cause);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(abort);
    }
  }

  async #post(url: string, frame: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<Received> {
    const headers = { ...this.#headers, 'content-type': frameType };
    const target = `${new URL(url).origin}/v1/lookup`;
    const response = await fetch(target, { method: 'POST', headers, body: frame, signal });
    const body = new Uint8Array(await response.arrayBuffer());
    this.#bytesIn += body.length;
    if (response.headers.get('content-type') === frameType) return unpooled(body);
    if (response.status === 401) throw unauthorized(url);
    throw unavailable(url, `answers HTTP ${response.status}, and no frame`);
  }

  async describe(url: string): Promise<NodeDescription> {
    const signal = AbortSignal.timeout(connectMsMax);
    const target = `${new URL(url).origin}/v1/tables`;
    const response = await fetch(target, { headers: this.#headers, signal }).catch((cause: unknown) => {
      throw unavailable(url, 'cannot be reached', cause);
    });
    if (response.ok) return readDescription(url, await textOf(url, response));
    await response.body?.cancel();
    if (response.status === 401) throw unauthorized(url);
    throw unavailable(url, `answers HTTP ${response.status}`);
  }

  traffic(): ReturnType<Transport['traffic']> {
    return { bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const [abort, url] of this.#underWay) abort.abort(released(url));
  }
}

async function textOf(url: string, response: Response): Promise<string> {
  return await response.text().catch((cause: unknown) => {
    throw unavailable(url, 'cannot be reached', cause);
  });
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
