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
    if (url === '/healthz') return sendJson(response, 200, { status: 'alive' });
    if (url === '/readyz')
      return sendJson(response, this.#handler.ready ? 200 : 503, { ready: this.#handler.ready });
    if (!this.#allowed(request)) return sendError(response, unauthorized());
    if (url === '/v1/tables' && method === 'GET') return sendJson(response, 200, this.#handler.describe());
    if (url === '/v1/lookup' && method === 'POST') return answerLookup(this.#handler, request, response);
    if (url === '/v1/stream')
      return sendJson(response, 426, { error: { message: 'give Upgrade: flexemr/1' } });
    const message = `there is no ${method} ${url}; there are POST /v1/lookup, GET /v1/tables, /healthz, /readyz`;
    sendJson(response, 404, { error: { code: 'INVALID_OPTION', message, field: 'url' } });
  }

  #allowed(request: IncomingMessage): boolean {
    const { token } = this.#security;
    return token === undefined || tokenMatches(request.headers.authorization, token);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const refuse = (status: string): void => {
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    };
    // Errors of a socket are followed by its closing, which is what matters.
    socket.on('error', () => {});
    if (!this.#allowed(request)) return refuse('401 Unauthorized');
    if (request.url !== '/v1/stream') return refuse('404 Not Found');
    if (request.headers.upgrade !== 'flexemr/1') return refuse('426 Upgrade Required');
    if (!this.#handler.ready) return refuse('503 Service Unavailable');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n');
    this.#streams.serve(socket, head);
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
