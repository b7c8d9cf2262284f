import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { FlexemrError, show } from '../errors.ts';
import { connectionsMax, idleMsMax, stuckMsMax, subrequestMsMax } from '../limits.ts';
import type { Handler } from '../wire/handler.ts';
import { Connections } from './connections.ts';
import { allowOrigin } from './cross-origin.ts';
import { isOwnHost } from './host-check.ts';
import { answerLookup, type LookupRoom, sendError, sendJson } from './http-lookup.ts';
import { JsonBodies } from './json-bodies.ts';
import { lingeringClose } from './lingering-close.ts';
import { acceptLink, type RdmaAcceptor } from './rdma/accept.ts';
import { onResponseEnd, ResponseTimeouts } from './response-timeouts.ts';
import { type ServerSecurity, tokenMatches } from './security.ts';
import { StreamServer } from './stream-server.ts';
import { UnfinishedRequests } from './unfinished.ts';

export interface ListenerOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly security?: ServerSecurity | undefined;
  /** Pages of this origin may send requests. `*` allows all origins. */
  readonly allowOrigin?: string | undefined;
  /** Host names that a node without a token answers to, in addition to those of its machine. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Share the port with other threads. */
  readonly reusePort?: boolean | undefined;
  /** How long a peer may take for a request, a frame or a reply before it is cut off. Default and maximum: 10 s. */
  readonly stuckMs?: number | undefined;
  /** Maximum number of connections at a time. Default: connectionsMax. */
  readonly connections?: number | undefined;
}

/** Logs events that a listener cannot report to the peer concerned. */
export type Warn = (what: object, message: string) => void;

/** One port of a worker. It passes requests over HTTP, and over streams that begin with an Upgrade, to one handler. */
export class Listener {
  readonly #server: Server;
  readonly #handler: Handler;
  readonly #security: ServerSecurity;
  readonly #allowOrigin: string | undefined;
  readonly #allowHosts: readonly string[];
  readonly #streams: StreamServer;
  readonly #responseTimeouts: ResponseTimeouts;
  readonly #connections: Connections;
  readonly #warn: Warn;
  readonly #room: LookupRoom;
  /** Connects to rankers by RDMA. Undefined until there is something to serve. */
  rdma: RdmaAcceptor | undefined;

  /** @throws INVALID_OPTION; UNAVAILABLE if it cannot listen on the port */
  static async open(handler: Handler, options: ListenerOptions, warn: Warn = () => {}): Promise<Listener> {
    const listener = new Listener(handler, options, warn);
    await listener.#listen(options);
    return listener;
  }

  private constructor(
    handler: Handler,
    {
      security = {},
      allowOrigin,
      allowHosts = [],
      stuckMs = stuckMsMax,
      connections = connectionsMax,
    }: ListenerOptions,
    warn: Warn,
  ) {
    const { cert, key, ca } = security;
    const options = {
      keepAliveTimeout: idleMsMax,
      headersTimeout: stuckMs,
      requestTimeout: stuckMs,
      connectionsCheckingInterval: Math.ceil(stuckMs / 10),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: idleMsMax,
      // An Upgrade to another protocol is declined with an ordinary answer: some clients offer HTTP/2 in every request.
      shouldUpgradeCallback: isStream,
    };
    const handshakeTimeout = stuckMs;
    const tls = {
      handshakeTimeout,
      cert,
      key,
      ca,
      requestCert: ca !== undefined,
      rejectUnauthorized: ca !== undefined,
    };
    this.#handler = handler;
    this.#warn = warn;
    this.#security = security;
    this.#allowOrigin = allowOrigin;
    this.#allowHosts = allowHosts;
    const unfinished = new UnfinishedRequests();
    this.#room = { handler, unfinished, jsonBodies: new JsonBodies(unfinished) };
    this.#streams = new StreamServer(handler, unfinished, stuckMs);
    this.#responseTimeouts = new ResponseTimeouts(stuckMs);
    this.#server = cert === undefined ? createServer(options) : createTlsServer({ ...options, ...tls });
    this.#connections = new Connections(connections, (pressure) => warn(pressure, 'connections were closed'));
    this.#server.timeout = subrequestMsMax + stuckMs;
    this.#server.on('request', (request, response) => this.#serve(request, response));
    if (cert === undefined) this.#server.on('connection', (socket) => this.#connections.add(socket));
    else {
      this.#server.on('connection', (socket) => this.#connections.addHandshake(socket));
      this.#server.on('secureConnection', (socket) => this.#connections.secured(socket, ca !== undefined));
    }
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head));
  }

  async #listen({ host, port, reusePort }: ListenerOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: NodeJS.ErrnoException): void => {
        const message = `cannot listen on ${host}:${port} (${cause.code})`;
        reject(new FlexemrError('UNAVAILABLE', message, { field: 'port', value: port, cause }));
      };
      this.#server.once('error', fail);
      this.#server.listen({ host, port, reusePort: reusePort ?? false }, () => {
        this.#server.off('error', fail);
        this.#server.on('error', (cause) =>
          this.#warn({ cause: String(cause) }, 'a connection was not accepted'),
        );
        resolve();
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { method, url } = request;
    if (!this.#isOwn(request)) {
      sendError(response, misdirected(request.headers.host), 421);
      return;
    }
    if (
      url === '/v1/rdma/connect' &&
      method === 'POST' &&
      this.rdma !== undefined &&
      this.#allowed(request)
    ) {
      // This response stays open, so it has no timeout.
      void acceptLink(this.rdma, request, response);
      return;
    }
    this.#responseTimeouts.watch(response);
    onResponseEnd(response, this.#connections.begin(request.socket));
    if (this.#allowOrigin !== undefined && allowOrigin(this.#allowOrigin, request, response)) return;
    const { ready } = this.#handler;
    if (url === '/healthz' && method === 'GET') sendJson(response, 200, { status: 'alive' });
    else if (url === '/readyz' && method === 'GET') sendJson(response, ready ? 200 : 503, { ready });
    else if (!this.#allowed(request)) sendError(response, unauthorized());
    else if (url === '/v1/tables' && method === 'GET') sendJson(response, 200, this.#handler.describe());
    else if (url === '/v1/lookup' && method === 'POST') answerLookup(this.#room, request, response);
    else if (url === '/v1/stream' && method === 'GET') this.#refuseStream(request, response);
    else sendJson(response, 404, { error: nothingAt(`${method} ${url}`) });
  }

  #allowed(request: IncomingMessage): boolean {
    const { token } = this.#security;
    if (token === undefined) return true;
    const matches = tokenMatches(request.headers.authorization, token);
    if (matches) this.#connections.trust(request.socket);
    return matches;
  }

  /** If the node asks for a token or a certificate, it answers to every name. */
  #isOwn({ headers }: IncomingMessage): boolean {
    const { token, ca } = this.#security;
    return token !== undefined || ca !== undefined || isOwnHost(headers.host, this.#allowHosts);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Every socket error is followed by the event `close`, which is handled.
    socket.on('error', () => {});
    const asked = request.url === '/v1/stream' && request.method === 'GET' && isStream(request);
    if (asked && this.#isOwn(request) && this.#allowed(request) && this.#handler.ready) {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n');
      this.#streams.serve(socket, head);
      return;
    }
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => void lingeringClose([socket]));
    this.#serve(request, response);
  }

  #refuseStream(request: IncomingMessage, response: ServerResponse): void {
    if (isStream(request)) {
      const message = 'this node is starting or draining; try again';
      sendError(response, new FlexemrError('UNAVAILABLE', message, { field: 'node' }));
      return;
    }
    response.setHeader('upgrade', streamProtocol);
    const message = `streams begin with the header Upgrade: ${streamProtocol}`;
    sendJson(response, 426, { error: { code: 'INVALID_OPTION', message, field: 'upgrade' } });
  }

  /** Accepts no more connections, and ends the open ones after the answers that are ready have been sent. */
  async close(): Promise<void> {
    // HTTP's own `close` would cut off connections whose answers are still being sent.
    const closed = new Promise((resolve) => NetServer.prototype.close.call(this.#server, resolve));
    await this.#responseTimeouts.close(() => this.#room.jsonBodies.count > 0);
    await lingeringClose(this.#connections);
    this.#connections.close();
    this.#streams.close();
    this.#server.closeAllConnections();
    await closed;
    this.#server.close();
  }
}

const streamProtocol = 'flexemr/1';

function isStream({ headers }: IncomingMessage): boolean {
  return headers.upgrade === streamProtocol;
}

function misdirected(host: string | undefined): FlexemrError {
  const message = `this node does not answer to the name ${show(host)}: use its address, start it with a token, or allow the name with --allow-host`;
  return new FlexemrError('UNAUTHORIZED', message, { field: 'host', value: host });
}

function unauthorized(): FlexemrError {
  return new FlexemrError('UNAUTHORIZED', 'send the token of this node: Authorization: Bearer …', {
    field: 'authorization',
  });
}

function nothingAt(asked: string): object {
  const message = `${asked} does not exist; use POST /v1/lookup, GET /v1/tables, GET /healthz or GET /readyz`;
  return { code: 'INVALID_OPTION', message, field: 'url' };
}
