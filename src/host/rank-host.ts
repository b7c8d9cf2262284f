import * as v from 'valibot';
import { checkFields, options as optionsOf, type Schema } from '../check.ts';
import type { Log } from '../log.ts';
import type { Ranker } from '../ranker/ranker.ts';
import type { Scorer } from '../scorer/scorer.ts';
import { RankService } from '../service/rank-service.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { RankerMetrics } from '../telemetry/ranker-metrics.ts';
import { type ListenOptions, listenFields } from '../transport/listen-options.ts';
import { checkExposure } from '../transport/security.ts';
import { type ClusterPlace, ClusterReader, clusterPlace } from './cluster-reader.ts';
import { connectionsOf } from './descriptors.ts';
import { anyLog } from './memory-node-options.ts';
import { NodeWatch } from './node-watch.ts';
import { type OpenScorerOptions, openParts, scorerFields } from './open-scorer.ts';
import { rankerOf } from './ranker-source.ts';

export interface RankHostOptions extends OpenScorerOptions, ListenOptions {
  /** Default true: counts and measures everything, for /metrics and the page. */
  readonly metrics?: boolean | undefined;
  readonly log?: Log | undefined;
  /** The cluster whose tables are looked up, for the page and `GET /v1/cluster`. Default: they do not show one. */
  readonly cluster?: ClusterPlace | undefined;
}

const rankHostOptions: Schema<RankHostOptions> = optionsOf({
  ...scorerFields,
  ...listenFields,
  metrics: v.optional(v.boolean()),
  log: v.optional(anyLog),
  cluster: v.optional(clusterPlace),
});

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A scoring service: a scorer and its HTTP port. Its source of pooled vectors stays open when it closes. */
export class RankHost implements AsyncDisposable {
  readonly scorer: Scorer;
  readonly #service: RankService;
  readonly #options: RankHostOptions;
  readonly #watch: NodeWatch | undefined;
  readonly #cluster: ClusterReader | undefined;

  /**
   * Opens the scorer, and listens.
   * @throws INVALID_OPTION, INVALID_FILE, MISSING_DEPENDENCY, WORKER_FAILED, UNAVAILABLE, LIMIT_EXCEEDED
   */
  static async start(given: RankHostOptions): Promise<RankHost> {
    const options = checkFields(rankHostOptions, given);
    const {
      host = '127.0.0.1',
      port = 0,
      security = {},
      insecure = false,
      log = silent,
      metrics = true,
    } = options;
    checkExposure(host, security, insecure);
    const connections = connectionsOf(1, 1);
    const observed = metrics ? await openMetrics() : undefined;
    const tracer = await loadTracer();
    const { scorer, threads } = await openParts(options, {
      ...{ tracer, observer: observed },
      onCacheError: (err) => log.warn({ err }, 'the cache keeps its size'),
    });
    let cluster: ClusterReader | undefined;
    try {
      cluster = options.cluster && (await ClusterReader.open(options.cluster));
      const ranker = rankerOf(options.source);
      if (observed) ranker?.observe((end) => observed.subrequest(end));
      const service = await RankService.open({
        ...{ ...options, scorer, metrics: observed, tracer, log },
        ...{ host, port, connections },
        cluster: cluster && (() => (cluster as ClusterReader).status()),
      });
      observed?.read(() => ({
        scorer: scorer.stats,
        ranker: ranker?.stats,
        denseThreadRestarts: threads.restarts,
        nodes: ranker?.nodes ?? [],
        http: service.traffic,
      }));
      return new RankHost(options, { scorer, service, cluster }, ranker);
    } catch (error) {
      await cluster?.close();
      await scorer.close();
      throw error;
    }
  }

  private constructor(
    options: RankHostOptions,
    {
      scorer,
      service,
      cluster,
    }: {
      readonly scorer: Scorer;
      readonly service: RankService;
      readonly cluster: ClusterReader | undefined;
    },
    ranker: Ranker | undefined,
  ) {
    this.#options = options;
    this.scorer = scorer;
    this.#service = service;
    this.#cluster = cluster;
    this.#watch = ranker && new NodeWatch(ranker, options.log ?? silent);
  }

  /** The address for clients. */
  get url(): string {
    const { host = '127.0.0.1', security } = this.#options;
    const name = host.includes(':') ? `[${host}]` : host;
    return `${security?.cert === undefined ? 'http' : 'https'}://${name}:${this.#service.port}`;
  }

  /** Answers the requests that it has, and ends. */
  async close(): Promise<void> {
    this.#watch?.close();
    await this.#service.close();
    await this.#cluster?.close();
    await this.scorer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** They are loaded when they are needed: prom-client takes long to load, and loads the API of OpenTelemetry. */
async function openMetrics(): Promise<RankerMetrics> {
  const { RankerMetrics } = await import('../telemetry/ranker-metrics.ts');
  return new RankerMetrics();
}
