// The HTTP service of a scorer: its routes, its metrics and its page, behind a port with the rules of memory nodes.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { FlexemrError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Scorer } from '../scorer/scorer.ts';
import type { RankerMetrics } from '../telemetry/ranker-metrics.ts';
import { metricsType, sendError, sendText } from '../transport/http-answer.ts';
import { HttpPort, type PortHandler, type PortOptions } from '../transport/http-port.ts';
import { onResponseEnd } from '../transport/response-timeouts.ts';
import type { Traffic } from '../transport/transport.ts';
import type { Tracer } from '../wire/trace.ts';
import { Page } from './page.ts';
import { RequestRecords } from './request-records.ts';
import { openRoutes } from './routes.ts';

export interface RankServiceOptions extends PortOptions {
  readonly scorer: Scorer;
  /** Undefined: requests are not counted, and there is nothing at /metrics. */
  readonly metrics: RankerMetrics | undefined;
  readonly tracer: Tracer | undefined;
  readonly log: Log;
  /** What the cluster serves. Undefined: there is none. */
  readonly cluster: (() => Promise<object>) | undefined;
}

/** Serves a scorer over HTTP. */
export class RankService implements PortHandler, AsyncDisposable {
  readonly #routes: FastifyInstance;
  readonly #page: Page;
  readonly #metrics: RankerMetrics | undefined;
  readonly #records: RequestRecords;
  #port: HttpPort | undefined;
  #requests = 0;
  #draining = false;

  /** @throws INVALID_OPTION, UNAVAILABLE, MISSING_DEPENDENCY */
  static async open({
    scorer,
    metrics,
    tracer,
    log,
    cluster,
    ...port
  }: RankServiceOptions): Promise<RankService> {
    const records = new RequestRecords({ tracer, metrics, log });
    const service: RankService = new RankService(
      await openRoutes(scorer, { ready: () => service.ready, records, cluster }),
      await Page.open(),
      metrics,
      records,
    );
    service.#port = await HttpPort.open(service, port, (what, message) => log.warn(what, message));
    return service;
  }

  private constructor(
    routes: FastifyInstance,
    page: Page,
    metrics: RankerMetrics | undefined,
    records: RequestRecords,
  ) {
    this.#routes = routes;
    this.#page = page;
    this.#metrics = metrics;
    this.#records = records;
  }

  get port(): number {
    return this.#port?.port ?? 0;
  }

  /** Bytes of its connections. */
  get traffic(): Traffic {
    return this.#port?.traffic ?? { bytesOut: 0, bytesIn: 0 };
  }

  get ready(): boolean {
    return !this.#draining;
  }

  get working(): boolean {
    return this.#requests > 0;
  }

  /** The page holds no figures: it asks for them, with the token. */
  isPublic({ method, url = '' }: IncomingMessage): boolean {
    return (method === 'GET' || method === 'HEAD') && this.#page.has(url);
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#records.begin(request, response);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#requests++;
    onResponseEnd(response, () => this.#requests--);
    this.#records.take(request);
    if (this.#draining) {
      response.setHeader('connection', 'close');
      sendError(response, new FlexemrError('UNAVAILABLE', 'this ranker is stopping', { field: 'ranker' }));
    } else if (this.isPublic(request)) this.#page.serve(request, response);
    else if (request.url === '/metrics' && request.method === 'GET' && this.#metrics)
      void sendMetrics(this.#metrics, response);
    else this.#routes.routing(request, response);
  }

  /** Answers the requests that it has, and ends. */
  async close(): Promise<void> {
    this.#draining = true;
    await this.#port?.close();
    await this.#routes.close();
    this.#records.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function sendMetrics(metrics: RankerMetrics, response: ServerResponse): Promise<void> {
  try {
    sendText(response, 200, metricsType, await metrics.text());
  } catch (error) {
    sendError(response, error);
  }
}
