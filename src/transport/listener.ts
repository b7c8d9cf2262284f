import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FlexemrError } from '../errors.ts';
import { stuckMsMax } from '../limits.ts';
import type { Handler } from '../wire/handler.ts';
import { creditsHeader, streamProtocol } from './dial.ts';
import { metricsType, sendError, sendJson, sendText } from './http-answer.ts';
import { answerLookup, type LookupRoom } from './http-lookup.ts';
import { HttpPort, type PortHandler, type PortOptions, type Warn } from './http-port.ts';
import { JsonBodies } from './json-bodies.ts';
import { PortCounts } from './port-stats.ts';
import { acceptLink, type RdmaAcceptor } from './rdma/accept.ts';
import { StreamServer } from './stream-server.ts';
import { UnfinishedRequests } from './unfinished.ts';

/** What the ports of a worker share. */
export interface WorkerRoom {
  readonly counts: PortCounts;
  /** The metrics of the whole node in the text format of Prometheus. Without it, there are none. @throws UNAVAILABLE */
  readonly metrics?: (() => Promise<string>) | undefined;
}

/** One port of a worker. It passes requests over HTTP, and over streams that begin with an Upgrade, to one handler. */
export class Listener {
  readonly #routes: NodeRoutes;
  readonly #port: HttpPort;

  /** @throws INVALID_OPTION; UNAVAILABLE if it cannot listen on the port */
  static async open(
    handler: Handler,
    options: PortOptions,
    warn?: Warn,
    room: WorkerRoom = { counts: new PortCounts() },
  ): Promise<Listener> {
    const routes = new NodeRoutes(handler, options.stuckMs ?? stuckMsMax, room);
    return new Listener(routes, await HttpPort.open(routes, options, warn));
  }

  private constructor(routes: NodeRoutes, port: HttpPort) {
    this.#routes = routes;
    this.#port = port;
  }

  get port(): number {
    return this.#port.port;
  }

  /** Number of connections that are open now. */
  get connections(): number {
    return this.#port.connections;
  }

  /** Connects to rankers by RDMA, from now on. */
  set rdma(acceptor: RdmaAcceptor) {
    this.#routes.rdma = acceptor;
  }

  /** Accepts no more connections, and ends the open ones after the answers that are ready have been sent. */
  async close(): Promise<void> {
    await this.#port.close();
    this.#routes.close();
  }
}

/** The routes of a worker. */
class NodeRoutes implements PortHandler {
  readonly protocol = streamProtocol;
  readonly #handler: Handler;
  readonly #streams: StreamServer;
  readonly #room: LookupRoom;
  readonly #metrics: WorkerRoom['metrics'];
  /** Number of requests for metrics that are not answered yet. */
  #collecting = 0;
  /** Undefined until there is something to serve by RDMA. */
  rdma: RdmaAcceptor | undefined;

  constructor(handler: Handler, stuckMs: number, { counts, metrics }: WorkerRoom) {
    const unfinished = new UnfinishedRequests();
    this.#handler = handler;
    this.#metrics = metrics;
    this.#room = { handler, unfinished, jsonBodies: new JsonBodies(unfinished), counts };
    this.#streams = new StreamServer(this.#room, stuckMs);
  }

  get ready(): boolean {
    return this.#handler.ready;
  }

  /** The worker has answered frames before it closes. Lookups in JSON and metrics may still be in progress. */
  get working(): boolean {
    return this.#room.jsonBodies.count > 0 || this.#collecting > 0;
  }

  /** A connection by RDMA lasts for as long as its response. */
  staysOpen({ method, url }: IncomingMessage): boolean {
    return url === '/v1/rdma/connect' && method === 'POST' && this.rdma !== undefined;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const { method, url } = request;
    if (this.rdma !== undefined && this.staysOpen(request)) void acceptLink(this.rdma, request, response);
    else if (url === '/v1/tables' && method === 'GET') sendJson(response, 200, this.#handler.describe());
    else if (url === '/v1/lookup' && method === 'POST') answerLookup(this.#room, request, response);
    else if (url === '/metrics' && method === 'GET' && this.#metrics !== undefined)
      void this.#sendMetrics(this.#metrics, response);
    else if (isStreamRoute(request)) refuseStream(request, response);
    else sendJson(response, 404, { error: nothingAt(`${method} ${url}`) });
  }

  async #sendMetrics(metrics: () => Promise<string>, response: ServerResponse): Promise<void> {
    this.#collecting++;
    try {
      sendText(response, 200, metricsType, await metrics());
    } catch (error) {
      sendError(response, error);
    } finally {
      this.#collecting--;
    }
  }

  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): boolean {
    if (!isStreamRoute(request)) return false;
    return this.#streams.serve(socket, head, request.headers[creditsHeader]?.toString());
  }

  close(): void {
    this.#streams.close();
  }
}

function isStreamRoute({ method, url }: IncomingMessage): boolean {
  return url === '/v1/stream' && method === 'GET';
}

function refuseStream({ headers }: IncomingMessage, response: ServerResponse): void {
  if (headers.upgrade === streamProtocol) {
    const message = 'this node is starting or draining, or the stream of these credits has ended; try again';
    sendError(response, new FlexemrError('UNAVAILABLE', message, { field: 'node' }));
    return;
  }
  response.setHeader('upgrade', streamProtocol);
  const message = `streams begin with the header Upgrade: ${streamProtocol}`;
  sendJson(response, 426, { error: { code: 'INVALID_OPTION', message, field: 'upgrade' } });
}

function nothingAt(asked: string): object {
  const message = `${asked} does not exist; use POST /v1/lookup, GET /v1/tables, GET /metrics, GET /healthz or GET /readyz`;
  return { code: 'INVALID_OPTION', message, field: 'url' };
}
