import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../log.ts';
import type { RankerMetrics } from '../telemetry/ranker-metrics.ts';
import { onResponseEnd } from '../transport/response-timeouts.ts';
import type { Tracer } from '../wire/trace.ts';
import { ErrorLog } from './error-log.ts';
import { RequestRecord } from './request-record.ts';

/** Who hears of requests. */
export interface Listeners {
  readonly tracer: Tracer | undefined;
  readonly metrics: RankerMetrics | undefined;
  readonly log: Log;
}

/** The records of all HTTP requests that are not answered yet. */
export class RequestRecords {
  readonly #listeners: Listeners | undefined;
  readonly #errors: ErrorLog | undefined;
  readonly #records = new WeakMap<IncomingMessage, RequestRecord>();

  /** @param listeners default: nobody hears of requests */
  constructor(listeners?: Listeners) {
    this.#listeners = listeners;
    this.#errors = listeners && new ErrorLog(listeners.log);
  }

  /** A request has arrived. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const record = this.of(request);
    onResponseEnd(response, () => this.#end(record, response));
  }

  /** The service takes the request: its client may send it. */
  take(request: IncomingMessage): void {
    const { tracer } = this.#listeners ?? {};
    if (tracer !== undefined) this.of(request).begin(tracer);
  }

  of(request: IncomingMessage): RequestRecord {
    const known = this.#records.get(request);
    if (known !== undefined) return known;
    const record = new RequestRecord(request);
    this.#records.set(request, record);
    return record;
  }

  #end(record: RequestRecord, response: ServerResponse): void {
    const { status, ms } = record.end(response);
    const { endpoint, method, candidates, failure } = record;
    const { metrics, log } = this.#listeners ?? {};
    const { code, message: reason } = failure?.error ?? {};
    const trace_id = record.trace?.traceId;
    metrics?.http({ endpoint, status, ms, code });
    log?.debug({ endpoint, method, status, ms, candidates, code, reason, trace_id }, 'request');
    if (failure === undefined || status < 500) return;
    const { error, unexpected: err } = failure;
    this.#errors?.add({ code: error.code, status, reason: error.message, trace_id, err });
  }

  close(): void {
    this.#errors?.close();
  }
}
