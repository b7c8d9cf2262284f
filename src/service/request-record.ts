import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Span, TraceContext, Tracer } from '../wire/trace.ts';
import { parseTraceparent } from '../wire/traceparent.ts';
import { type Endpoint, endpointOf, routeOf } from './endpoints.ts';
import type { Failure } from './failure.ts';

/** The status of requests whose client has left before it had the answer. Others use it for that too. */
const leftStatus = 499;

/** One HTTP request, from its header to the end of its answer: what metrics, the log and the trace say of it. */
export class RequestRecord {
  readonly endpoint: Endpoint;
  readonly method: string;
  readonly #began = performance.now();
  readonly #client: TraceContext | undefined;
  #span: Span | undefined;
  #failure: Failure | undefined;
  /** Candidates that were scored. */
  candidates: number | undefined;

  constructor({ url = '', method = '', headers }: IncomingMessage) {
    this.endpoint = endpointOf(url);
    this.method = method;
    this.#client = parseTraceparent(headers.traceparent);
  }

  /** Begins the span of a request to score. */
  begin(tracer: Tracer): void {
    const route = this.method === 'POST' ? routeOf(this.endpoint) : undefined;
    if (route === undefined) return;
    const attributes = { 'http.request.method': this.method, 'http.route': route };
    const options = { kind: 'server', attributes, since: this.#began } as const;
    this.#span = tracer.start(`${this.method} ${route}`, this.#client, options);
  }

  /** The span of the request, or that of its client. */
  get trace(): TraceContext | undefined {
    return this.#span?.context ?? this.#client;
  }

  /** Why it is answered with an error. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  failed(failure: Failure): void {
    this.#failure = failure;
  }

  /** Ends its span. @returns the status of the answer, and how long it took */
  end({ statusCode, writableFinished }: ServerResponse): { readonly status: number; readonly ms: number } {
    const status = writableFinished ? statusCode : leftStatus;
    this.#span?.set('http.response.status_code', status);
    // A wrong request is no error of a server, but a failure of its client.
    this.#span?.end(status >= 500 ? this.#failure?.cause : undefined);
    return { status, ms: performance.now() - this.#began };
  }
}
