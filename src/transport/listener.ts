import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { FlexemrError } from '../errors.ts';
import { connectionsMax, idleMsMax, stuckMsMax, subrequestMsMax } from '../limits.ts';
import type { Handler } from '../wire/handler.ts';
import { answerLookup, sendError, sendJson } from './http-lookup.ts';
import { type ServerSecurity, tokenMatches } from './security.ts';
import { StreamServer } from './stream-server.ts';

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly security?: ServerSecurity | undefined;
  /** Share the port with other threads. */
  readonly reusePort?: boolean | undefined;
}

/** One port of a worker: HTTP, and streams by Upgrade, into one handler. */
export class Listener {
  readonly #server: Server;
  readonly #handler: Handler;
  readonly #security: ServerSecurity;
  readonly #streams: StreamServer;

  /** @throws UNAVAILABLE where the port cannot be had */
  static async open(handler: Handler, options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(handler, options.security ?? {});
    await listener.#listen(options);
    return listener;
  }

  private constructor(handler: Handler, security: ServerSecurity) {
    const { cert, key, ca } = security;
    const options = {
      keepAliveTimeout: idleMsMax,
      headersTimeout: stuckMsMax,
      requestTimeout: stuckMsMax,
      connectionsCheckingInterval: 1_000,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: idleMsMax,
    };
    const tls = { cert, key, ca, requestCert: ca !== undefined, rejectUnauthorized: ca !== undefined };
    this.#handler = handler;
    this.#security = security;
    this.#streams = new StreamServer(handler);
    this.#server = cert === undefined ? createServer(options) : createTlsServer({ ...options, ...tls });
    this.#server.maxConnections = connectionsMax;
    this.#server.timeout = subrequestMsMax + stuckMsMax;
    this.#server.on('request', (request, response) => this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head));
  }

  async #listen({ host, port, reusePort }: ListenerOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const message = `cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code})`;
        reject(new FlexemrError('UNAVAILABLE', message, { field: 'port', value: port, cause }));
      });
      this.#server.listen({ host, port, reusePort: reusePort ?? false }, resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { method, url } = request;
    const { ready } = this.#handler;
    if (url === '/healthz') sendJson(response, 200, { status: 'alive' });
    else if (url === '/readyz') sendJson(response, ready ? 200 : 503, { ready });
    else if (!this.#allowed(request)) sendError(response, unauthorized());
    else if (url === '/v1/tables' && method === 'GET') sendJson(response, 200, this.#handler.describe());
    else if (url === '/v1/lookup' && method === 'POST') answerLookup(this.#handler, request, response);
    else if (url === '/v1/stream') sendJson(response, 426, { error: { message: 'give Upgrade: flexemr/1' } });
    else sendJson(response, 404, { error: nothingAt(`${method} ${url}`) });
  }

  #allowed(request: IncomingMessage): boolean {
    const { token } = this.#security;
    return token === undefined || tokenMatches(request.headers.authorization, token);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Errors of a socket are followed by its closing, which is what matters.
    socket.on('error', () => {});
    const refusal = this.#upgradeRefusal(request);
    if (refusal) {
      socket.end(`HTTP/1.1 ${refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n');
    this.#streams.serve(socket, head);
  }

  #upgradeRefusal(request: IncomingMessage): string | undefined {
    if (!this.#allowed(request)) return '401 Unauthorized';
    if (request.url !== '/v1/stream') return '404 Not Found';
    if (request.headers.upgrade !== 'flexemr/1') return '426 Upgrade Required';
    return this.#handler.ready ? undefined : '503 Service Unavailable';
  }

  /** Takes no more connections, and ends those there are. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#streams.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function unauthorized(): FlexemrError {
  return new FlexemrError('UNAUTHORIZED', 'give the token of this node: Authorization: Bearer …', {
    field: 'authorization',
  });
}

function nothingAt(asked: string): object {
  const message = `there is no ${asked}; there are POST /v1/lookup, GET /v1/tables, /healthz, /readyz`;
  return { code: 'INVALID_OPTION', message, field: 'url' };
}
