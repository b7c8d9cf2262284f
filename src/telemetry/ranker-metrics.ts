// The metrics of a ranker, in the names and units of Prometheus. Counters are read when somebody asks for them; only
// what has no counter elsewhere is observed as it happens. docs/operating.md lists all of them.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../errors.ts';
import type { SubrequestEnd } from '../ranker/fan-out-terms.ts';
import type { NodeStatus } from '../ranker/node-client.ts';
import type { RankerStats } from '../ranker/ranker.ts';
import type { ScorerObserver } from '../scorer/observer.ts';
import type { Ending } from '../scorer/score-task.ts';
import type { ScorerStats } from '../scorer/scorer.ts';
import type { Traffic } from '../transport/transport.ts';
import { answeredCodes } from '../wire/status.ts';
import { cacheMetrics, controllerMetrics } from './cache-metrics.ts';
import { processMetrics } from './process-metrics.ts';

/** Seconds from 0.1 ms to 10 s: three steps per decade. */
const seconds = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const candidates = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

/** What the metrics are read from. */
export interface RankerReadings {
  readonly scorer: ScorerStats;
  /** Undefined if the tables are in this process. */
  readonly ranker: RankerStats | undefined;
  readonly denseThreadRestarts: number;
  /** Bytes of the connections of the HTTP port. */
  readonly http: Traffic;
  readonly nodes: readonly NodeStatus[];
}

/** An HTTP request that was answered. */
export interface HttpAnswer {
  /** One of a few names. */
  readonly endpoint: string;
  readonly status: number;
  readonly ms: number;
  /** Of the error, if it was answered with one. */
  readonly code: ErrorCode | undefined;
}

export class RankerMetrics implements ScorerObserver {
  readonly #registry = new Registry();
  readonly #queueWait: Histogram;
  readonly #batch: Histogram;
  readonly #stage: Histogram<'stage'>;
  readonly #request: Histogram;
  readonly #subrequest: Histogram<'node'>;
  readonly #subrequestErrors: Counter<'node' | 'code'>;
  readonly #http: Counter<'endpoint' | 'status'>;
  readonly #httpErrors: Counter<'code'>;
  readonly #httpTime: Histogram<'endpoint'>;

  constructor() {
    const registers = [this.#registry];
    const histogram = <L extends string>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: L[] = [],
    ) => new Histogram<L>({ name, help, buckets, labelNames, registers });
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
      new Counter<L>({ name, help, labelNames, registers });
    this.#http = counter(
      'flexemr_http_requests_total',
      'HTTP requests that have ended. Status 499: the client left before it had the whole answer.',
      ['endpoint', 'status'],
    );
    this.#httpErrors = counter(
      'flexemr_http_errors_total',
      'HTTP requests that were answered with an error of the service, by its code.',
      ['code'],
    );
    for (const code of answeredCodes) this.#httpErrors.inc({ code }, 0);
    this.#httpTime = histogram(
      'flexemr_http_request_duration_seconds',
      'Time from the header of an HTTP request to the end of its answer.',
      seconds,
      ['endpoint'],
    );
    this.#request = histogram(
      'flexemr_scorer_request_duration_seconds',
      'Time from the arrival of a request at the scorer to its scores or its error.',
      seconds,
    );
    this.#queueWait = histogram(
      'flexemr_scorer_queue_wait_seconds',
      'Time that a request waited in the queue before its batch began.',
      seconds,
    );
    this.#batch = histogram('flexemr_scorer_batch_candidates', 'Candidates of a batch.', candidates);
    this.#stage = histogram(
      'flexemr_scorer_stage_duration_seconds',
      'Time of the lookup of a batch, and of each network.',
      seconds,
      ['stage'],
    );
    this.#subrequest = histogram(
      'flexemr_ranker_subrequest_duration_seconds',
      'Time from sending a subrequest to its reply or its error.',
      seconds,
      ['node'],
    );
    this.#subrequestErrors = counter('flexemr_ranker_subrequest_errors_total', 'Subrequests that failed.', [
      'node',
      'code',
    ]);
  }

  /** Registers what is read when somebody asks for metrics. */
  read(read: () => RankerReadings): void {
    const registers = [this.#registry];
    let readings = read();
    const counter = (name: string, help: string, of: (readings: RankerReadings) => number): void => {
      new Counter({
        ...{ name, help, registers },
        collect(): void {
          this.reset();
          this.inc(of(readings));
        },
      });
    };
    // Metrics are collected in the order of registration: this one reads for all of them.
    new Gauge({
      ...{ name: 'flexemr_scorer_queue_candidates', help: 'Candidates that wait in the queue.', registers },
      collect(): void {
        readings = read();
        this.set(readings.scorer.queued);
      },
    });
    const scorer = 'flexemr_scorer';
    new Gauge({
      ...{ name: `${scorer}_batches_running`, help: 'Batches in progress.', registers },
      collect(): void {
        this.set(readings.scorer.running);
      },
    });
    new Counter({
      ...{
        name: `${scorer}_errors_total`,
        help: 'Requests that ended with an error, by its code.',
        registers,
      },
      labelNames: ['code'],
      collect(): void {
        this.reset();
        // All codes from the start, because the rate of a counter that appears with its first error misses that error.
        for (const code of answeredCodes) this.inc({ code }, 0);
        for (const [code, count] of Object.entries(readings.scorer.errors)) this.inc({ code }, count);
      },
    });
    counter(`${scorer}_requests_total`, 'Requests that were scored.', (now) => now.scorer.requests);
    counter(`${scorer}_candidates_total`, 'Candidates that were scored.', (now) => now.scorer.candidates);
    counter(`${scorer}_batches_total`, 'Batches that were scored.', (now) => now.scorer.batches);
    counter(
      `${scorer}_dense_thread_restarts_total`,
      'Threads of the networks that were replaced.',
      (now) => now.denseThreadRestarts,
    );
    counter(
      'flexemr_http_received_bytes_total',
      'Bytes that HTTP clients have sent.',
      (now) => now.http.bytesIn,
    );
    counter(
      'flexemr_http_sent_bytes_total',
      'Bytes that were sent to HTTP clients.',
      (now) => now.http.bytesOut,
    );
    if (readings.ranker === undefined) return;
    const ranker = (name: string, help: string, of: Exclude<keyof RankerStats, 'cache'>): void =>
      counter(`flexemr_ranker_${name}`, help, (now) => now.ranker?.[of] ?? 0);
    ranker('lookups_total', 'Lookups.', 'lookups');
    ranker('subrequests_total', 'Subrequests, without retries and hedges.', 'subrequests');
    ranker('retries_total', 'Subrequests that were sent again.', 'retries');
    ranker(
      'hedged_total',
      'Subrequests that were sent to a second node, because their replies were late.',
      'hedged',
    );
    ranker('hedges_won_total', 'Subrequests that the second node answered first.', 'hedgesWon');
    ranker(
      'segments_pushed_total',
      'Segments (the bags of a shard) that were pooled at their node.',
      'segmentsPushed',
    );
    ranker('segments_fetched_total', 'Segments that were pooled here, from fetched rows.', 'segmentsFetched');
    ranker(
      'bags_repeated_total',
      'Bags that were not sent, because an earlier bag of their feature was the same.',
      'bagsRepeated',
    );
    ranker(
      'replies_held_total',
      'Replies that had to wait, because too many bytes were under way.',
      'repliesHeld',
    );
    new Gauge({
      name: 'flexemr_ranker_reply_bytes',
      help: 'Bytes of replies that nodes may send now.',
      registers,
      collect(): void {
        this.set(readings.ranker?.replyBytesUnderWay ?? 0);
      },
    });
    ranker('sent_bytes_total', 'Bytes to memory nodes.', 'bytesOut');
    ranker('received_bytes_total', 'Bytes from memory nodes.', 'bytesIn');
    cacheMetrics(this.#registry, () => readings.ranker?.cache);
    const { memory } = readings.scorer;
    if (memory !== undefined) controllerMetrics(this.#registry, () => readings.scorer.memory ?? memory);
    new Gauge({
      ...{
        name: 'flexemr_cache_released_bytes',
        help: 'Memory of caches of an earlier size, until it is freed.',
        registers,
      },
      collect(): void {
        this.set(readings.ranker?.cacheReleasedBytes ?? 0);
      },
    });
    new Gauge({
      ...{ name: 'flexemr_ranker_node_up', help: '1 if the memory node says that it is ready.', registers },
      labelNames: ['node'],
      collect(): void {
        this.reset();
        for (const { node, up } of readings.nodes) this.set({ node }, up ? 1 : 0);
      },
    });
    new Gauge({
      ...{ name: 'flexemr_ranker_node_workers', help: 'Workers of a memory node.', registers },
      labelNames: ['node'],
      collect(): void {
        this.reset();
        for (const { node, workers } of readings.nodes) this.set({ node }, workers);
      },
    });
  }

  ended({ ms }: Ending): void {
    this.#request.observe(ms / 1_000);
  }

  waited(ms: number): void {
    this.#queueWait.observe(ms / 1_000);
  }

  batch(count: number): void {
    this.#batch.observe(count);
  }

  stage(stage: string, ms: number): void {
    this.#stage.observe({ stage }, ms / 1_000);
  }

  subrequest({ node, ms, code }: SubrequestEnd): void {
    this.#subrequest.observe({ node }, ms / 1_000);
    if (code !== undefined) this.#subrequestErrors.inc({ node, code });
  }

  http({ endpoint, status, ms, code }: HttpAnswer): void {
    this.#http.inc({ endpoint, status });
    if (code !== undefined) this.#httpErrors.inc({ code });
    this.#httpTime.observe({ endpoint }, ms / 1_000);
  }

  /** All metrics, and those of this process, in the text format of Prometheus. */
  async text(): Promise<string> {
    return `${await this.#registry.metrics()}\n${await processMetrics()}`;
  }
}
