import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { FlexemrError, show } from '../errors.ts';
import { connectionsMax, idleMsMax, stuckMsMax, subrequestMsMax } from '../limits.ts';
import { Connections } from './connections.ts';
import { allowOrigin } from './cross-origin.ts';
import { isOwnHost } from './host-check.ts';
import { sendError, sendJson } from './http-answer.ts';
import { lingeringClose } from './lingering-close.ts';
import { onResponseEnd, ResponseTimeouts } from './response-timeouts.ts';
import { type ServerSecurity, tokenMatches } from './security.ts';
import type { Traffic } from './transport.ts';

export interface PortOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly security?: ServerSecurity | undefined;
  /** Pages of this origin may send requests. `*` allows all origins. */
  readonly allowOrigin?: string | undefined;
  /** Host names that a port without a token answers to, in addition to those of its machine. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Share the port with other threads. */
  readonly reusePort?: boolean | undefined;
  /** How long a peer may take for a request, a frame or a reply before it is cut off. Default and maximum: 10 s. */
  readonly stuckMs?: number | undefined;
  /** Maximum number of connections at a time. Default: connectionsMax. */
  readonly connections?: number | undefined;
}

/** Logs events that a port cannot report to the peer concerned. */
export type Warn = (what: object, message: string) => void;

/** What a port serves. It gets the requests that the rules of the port allow. */
export interface PortHandler {
  /** Whether it takes requests. `/readyz` reports it. */
  readonly ready: boolean;
  /** Whether requests that have arrived are being worked on. While some are, `close` waits for their answers. */
  readonly working: boolean;
  /** Hears of every request, also of those that the port answers. */
  begin?(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a request. */
  serve(request: IncomingMessage, response: ServerResponse): void;
  /** Whether the request needs no token. Default: all need it, except health checks, which the port answers. */
  isPublic?(request: IncomingMessage): boolean;
  /** Whether the response stays open for as long as both sides want, so that it has no timeout. Default: none does. */
  staysOpen?(request: IncomingMessage): boolean;
  /** The header Upgrade of connections that it may take over. An Upgrade to another protocol is declined. */
  readonly protocol?: string;
  /** Takes over a connection. @param head bytes that arrived with the request @returns false to answer the request */
  upgrade?(request: IncomingMessage, socket: Socket, head: Buffer): boolean;
}

/**
 * A port that listens for HTTP, with or without TLS. It applies the rules that all ports have in common: who may ask,
 * how many connections there may be, and how long a peer may take. It answers health checks.
 */
export class HttpPort {
  readonly #server: Server;
  readonly #handler: PortHandler;
  readonly #security: ServerSecurity;
  readonly #allowOrigin: string | undefined;
  readonly #allowHosts: readonly string[];
  readonly #responseTimeouts: ResponseTimeouts;
  readonly #connections: Connections;
  readonly #warn: Warn;
  readonly #sockets = new Set<Socket>();
  #number = 0;
  /** Bytes of connections that have ended. */
  #ended: Traffic = { bytesIn: 0, bytesOut: 0 };

  /** @throws INVALID_OPTION; UNAVAILABLE if it cannot listen on the port */
  static async open(handler: PortHandler, options: PortOptions, warn: Warn = () => {}): Promise<HttpPort> {
    const port = new HttpPort(handler, options, warn);
    await port.#listen(options);
    return port;
  }

  private constructor(
    handler: PortHandler,
    {
      security = {},
      allowOrigin,
      allowHosts = [],
      stuckMs = stuckMsMax,
      connections = connectionsMax,
    }: PortOptions,
    warn: Warn,
  ) {
    this.#handler = handler;
    this.#warn = warn;
    this.#security = security;
    this.#allowOrigin = allowOrigin;
    this.#allowHosts = allowHosts;
    this.#responseTimeouts = new ResponseTimeouts(stuckMs);
    this.#server = serverOf(security, stuckMs, (request) => isUpgrade(handler, request));
    this.#connections = new Connections(connections, (pressure) => warn(pressure, 'connections were closed'));
    this.#server.timeout = subrequestMsMax + stuckMs;
    this.#server.on('request', (request, response) => this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head));
    this.#countConnections();
  }

  #countConnections(): void {
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#ended = sum(this.#ended, socket);
      });
    });
    const { cert, ca } = this.#security;
    if (cert === undefined) this.#server.on('connection', (socket) => this.#connections.add(socket));
    else {
      this.#server.on('connection', (socket) => this.#connections.addHandshake(socket));
      this.#server.on('secureConnection', (socket) => this.#connections.secured(socket, ca !== undefined));
    }
  }

  async #listen({ host, port, reusePort }: PortOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: NodeJS.ErrnoException): void => {
        const message = `cannot listen on ${host}:${port} (${cause.code})`;
        reject(new FlexemrError('UNAVAILABLE', message, { field: 'port', value: port, cause }));
      };
      this.#server.once('error', fail);
      this.#server.listen({ host, port, reusePort: reusePort ?? false }, () => {
        this.#server.off('error', fail);
        this.#number = (this.#server.address() as AddressInfo).port;
        this.#server.on('error', (cause) =>
          this.#warn({ cause: String(cause) }, 'a connection was not accepted'),
        );
        resolve();
      });
    });
  }

  /** Its number, also after it was closed. */
  get port(): number {
    return this.#number;
  }

  /** Number of connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Bytes of all connections, with TLS and headers. */
  get traffic(): Traffic {
    return [...this.#sockets].reduce(sum, this.#ended);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { method, url } = request;
    this.#handler.begin?.(request, response);
    if (!this.#isOwn(request)) {
      sendError(response, misdirected(request.headers.host), 421);
      return;
    }
    if (this.#handler.staysOpen?.(request) && this.#allowed(request)) {
      this.#handler.serve(request, response);
      return;
    }
    this.#responseTimeouts.watch(response);
    onResponseEnd(response, this.#connections.begin(request.socket));
    if (this.#allowOrigin !== undefined && allowOrigin(this.#allowOrigin, request, response)) return;
    const { ready } = this.#handler;
    if (url === '/healthz' && method === 'GET') sendJson(response, 200, { status: 'alive' });
    else if (url === '/readyz' && method === 'GET') sendJson(response, ready ? 200 : 503, { ready });
    else if (!this.#handler.isPublic?.(request) && !this.#allowed(request))
      sendError(response, unauthorized());
    else this.#handler.serve(request, response);
  }

  #allowed(request: IncomingMessage): boolean {
    const { token } = this.#security;
    if (token === undefined) return true;
    const matches = tokenMatches(request.headers.authorization, token);
    if (matches) this.#connections.trust(request.socket);
    return matches;
  }

  /** A port that asks for a token or a certificate answers to every name. */
  #isOwn({ headers }: IncomingMessage): boolean {
    const { token, ca } = this.#security;
    return token !== undefined || ca !== undefined || isOwnHost(headers.host, this.#allowHosts);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Every socket error is followed by the event `close`, which is handled.
    socket.on('error', () => {});
    if (this.#isOwn(request) && this.#allowed(request) && this.#handler.upgrade?.(request, socket, head))
      return;
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => void lingeringClose([socket]));
    this.#serve(request, response);
  }

  /**
   * Accepts no more connections, and ends the open ones once their requests are answered. A request, its answer and the
   * sending of the answer may each take the time limit of a peer.
   */
  async close(): Promise<void> {
    // HTTP's own `close` would cut off connections whose answers are still being sent.
    const closed = new Promise((resolve) => NetServer.prototype.close.call(this.#server, resolve));
    await this.#responseTimeouts.close(() => this.#handler.working);
    await lingeringClose(this.#connections);
    this.#connections.close();
    this.#server.closeAllConnections();
    await closed;
    this.#server.close();
  }
}

function sum({ bytesIn, bytesOut }: Traffic, { bytesRead, bytesWritten }: Socket): Traffic {
  return { bytesIn: bytesIn + bytesRead, bytesOut: bytesOut + bytesWritten };
}

function serverOf(
  { cert, key, ca }: ServerSecurity,
  stuckMs: number,
  shouldUpgradeCallback: (request: IncomingMessage) => boolean,
): Server {
  const options = {
    keepAliveTimeout: idleMsMax,
    headersTimeout: stuckMs,
    requestTimeout: stuckMs,
    connectionsCheckingInterval: Math.ceil(stuckMs / 10),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: idleMsMax,
    shouldUpgradeCallback,
  };
  if (cert === undefined) return createServer(options);
  const isMutual = ca !== undefined;
  const tls = { cert, key, ca, requestCert: isMutual, rejectUnauthorized: isMutual };
  return createTlsServer({ ...options, ...tls, handshakeTimeout: stuckMs });
}

/** All others are declined with an ordinary answer: some clients offer HTTP/2 in every request. */
function isUpgrade({ protocol }: PortHandler, { headers }: IncomingMessage): boolean {
  return protocol !== undefined && headers.upgrade === protocol;
}

function misdirected(host: string | undefined): FlexemrError {
  const message = `this server does not answer to the name ${show(host)}: use its address, start it with a token, or allow the name with --allow-host`;
  return new FlexemrError('UNAUTHORIZED', message, { field: 'host', value: host });
}

function unauthorized(): FlexemrError {
  return new FlexemrError('UNAUTHORIZED', 'send the token of this server: Authorization: Bearer …', {
    field: 'authorization',
  });
}
