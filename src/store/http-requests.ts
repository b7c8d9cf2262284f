// Requests to a server of tables: a bounded number at a time, over connections that are used again.
// Imported by file, because Bun has its own `undici`, which lacks most of the API.
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici/index.js';
import { heedsProxy } from '../proxy.ts';
import {
  tableConnectMsMax,
  tableRedirectsMax,
  tableRequestMsMax,
  tableRequestsMax,
  tableStuckMsMax,
} from '../table-limits.ts';
import { passing, RangeFault } from './range-fault.ts';
import { type AnswerHead, redirectOf } from './range-reply.ts';

/** Receives an answer that is not a redirect. What it throws ends the request. */
export interface Receiver {
  head(head: AnswerHead): void;
  bytes(chunk: Uint8Array): void;
}

export class HttpRequests {
  readonly #origin: string;
  readonly #token: string | undefined;
  readonly #agent: Dispatcher;
  readonly #waiting: (() => void)[] = [];
  readonly #ended = new AbortController();
  #running = 0;

  /** @param token goes only to the origin of `url`, which may redirect to others */
  constructor(url: URL, token: string | undefined) {
    this.#origin = url.origin;
    this.#token = token;
    const options = {
      connections: tableRequestsMax,
      pipelining: 1,
      // One stream of HTTP/2 would carry all requests over one connection.
      allowH2: false,
      connect: { timeout: tableConnectMsMax },
      headersTimeout: tableStuckMsMax,
      bodyTimeout: tableStuckMsMax,
    };
    this.#agent = heedsProxy() ? new EnvHttpProxyAgent(options) : new Agent(options);
  }

  /** A signal that ends reads when `close` is called, and when one of `others` says so. */
  signal(...others: readonly (AbortSignal | undefined)[]): AbortSignal {
    return AbortSignal.any([this.#ended.signal, ...others.filter((signal) => signal !== undefined)]);
  }

  /**
   * Gets a URL, or what it redirects to. @returns the URL that answered
   * @throws RangeFault, what the receiver throws, the reason of the signal
   */
  async get(
    url: URL,
    headers: Readonly<Record<string, string>>,
    receiver: Receiver,
    signal: AbortSignal,
  ): Promise<URL> {
    await this.#begin();
    try {
      return await this.#follow(url, headers, receiver, signal);
    } finally {
      this.#end();
    }
  }

  async #follow(
    first: URL,
    headers: Readonly<Record<string, string>>,
    receiver: Receiver,
    signal: AbortSignal,
  ): Promise<URL> {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      signal.throwIfAborted();
      const location = await this.#exchange(url, headers, receiver, signal);
      if (location === undefined) return url;
      if (redirects === tableRedirectsMax)
        throw wrongRedirect(`redirects more than ${tableRedirectsMax} times`);
      url = redirected(url, location);
    }
  }

  /** One request. @returns where it is redirected to */
  #exchange(
    url: URL,
    headers: Readonly<Record<string, string>>,
    receiver: Receiver,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { origin, pathname, search } = url;
    const authorization =
      this.#token !== undefined && origin === this.#origin ? { authorization: `Bearer ${this.#token}` } : {};
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(receiver, signal, resolve, reject);
      this.#agent.dispatch(
        {
          origin,
          path: `${pathname}${search}`,
          method: 'GET',
          headers: { 'accept-encoding': 'identity', ...headers, ...authorization },
        },
        exchange,
      );
    });
  }

  async #begin(): Promise<void> {
    if (this.#running < tableRequestsMax) this.#running++;
    // The place of a request that ends is handed on.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #end(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  /** Ends all requests. Their reads fail with `reason`. */
  async close(reason: Error): Promise<void> {
    this.#ended.abort(reason);
    await this.#agent.destroy();
  }
}

/** One request and its answer. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #receiver: Receiver;
  readonly #signal: AbortSignal;
  readonly #resolve: (location: string | undefined) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #done = false;

  constructor(
    receiver: Receiver,
    signal: AbortSignal,
    resolve: (location: string | undefined) => void,
    reject: (error: unknown) => void,
  ) {
    this.#receiver = receiver;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener('abort', this.#onAbort);
    const slow = passing(`the server took more than ${tableRequestMsMax} ms for one answer`);
    this.#timer = setTimeout(() => this.#cut(() => reject(slow)), tableRequestMsMax);
  }

  readonly #onAbort = (): void => this.#cut(() => this.#reject(this.#signal.reason));

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#done) controller.abort(new Error('the request has ended'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHead['headers'],
  ): void {
    // An interim answer, such as 103.
    if (status < 200) return;
    const location = redirectOf({ status, headers });
    if (location !== undefined) this.#cut(() => this.#resolve(location));
    else this.#receive(() => this.#receiver.head({ status, headers }));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (!this.#done) this.#receive(() => this.#receiver.bytes(chunk));
  }

  onResponseEnd(): void {
    this.#settle(() => this.#resolve(undefined));
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#settle(() => this.#reject(passing(reasonOf(error))));
  }

  #receive(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#cut(() => this.#reject(error));
    }
  }

  /** Ends the exchange, and closes its connection, because the rest of the answer is not wanted. */
  #cut(outcome: () => void): void {
    this.#settle(outcome);
    this.#controller?.abort(new Error('the rest of the answer is not wanted'));
  }

  #settle(outcome: () => void): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
    outcome();
  }
}

function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return `the server sent nothing for ${tableStuckMsMax} ms`;
  return `the connection failed (${error.message || code})`;
}

function redirected(from: URL, location: string): URL {
  if (!URL.canParse(location, from)) throw wrongRedirect('redirects to something that is not a URL');
  const to = new URL(location, from);
  to.hash = '';
  const safe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!safe) throw wrongRedirect(`redirects from ${from.protocol}// to ${to.protocol}//`);
  return to;
}

function wrongRedirect(problem: string): RangeFault {
  return new RangeFault('INVALID_FILE', `the server ${problem}`, 'Give the URL of the file itself');
}
