// A ranker that scores nothing: its metrics have the names and the labels of a real one, and plausible values.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const seconds = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const candidates = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];
const requestsOfBatch = 4;
const candidatesOfRequest = 100;
/** Seconds after which no subrequest is sent to a node that is down. */
const noticeS = 3;

export class FakeRanker {
  readonly #registry = new Registry();
  readonly #nodes: readonly string[];
  readonly #downSince = new Map<string, number>();
  #now = 0;
  #random = 1;
  readonly #counters: ReadonlyMap<string, Counter>;
  readonly #gauges: ReadonlyMap<string, Gauge>;
  readonly #request = this.#histogram('flexemr_scorer_request_duration_seconds', seconds);
  readonly #wait = this.#histogram('flexemr_scorer_queue_wait_seconds', seconds);
  readonly #batch = this.#histogram('flexemr_scorer_batch_candidates', candidates);
  readonly #stage = this.#histogram('flexemr_scorer_stage_duration_seconds', seconds, 'stage');
  readonly #collection = this.#histogram('nodejs_gc_duration_seconds', [0.001, 0.01, 0.1, 1], 'kind');
  readonly #subrequest: Histogram | undefined;

  /** @param nodes names of memory nodes; none: the tables are in its process */
  constructor(nodes: readonly string[], started: Date = new Date()) {
    this.#nodes = nodes;
    const scorer = ['requests', 'candidates', 'batches', 'dense_thread_restarts'].map(
      (name) => `scorer_${name}`,
    );
    const ranker = [
      ...['lookups', 'subrequests', 'retries', 'sent_bytes', 'received_bytes'].map(
        (name) => `ranker_${name}`,
      ),
      ...['probed_bags', 'hit_bags', 'hit_bytes'].map((name) => `cache_${name}`),
    ];
    const plain = [...scorer, 'http_sent_bytes', 'http_received_bytes', ...(nodes.length > 0 ? ranker : [])];
    this.#counters = new Map([
      ...plain.map((name) => [name, this.#counter(`flexemr_${name}_total`)] as const),
      ['cpu', this.#counter('process_cpu_seconds_total')],
      ['scorer_errors', this.#counter('flexemr_scorer_errors_total', ['code'])],
      ['ranker_errors', this.#counter('flexemr_ranker_subrequest_errors_total', ['node', 'code'])],
    ]);
    this.#gauges = new Map([
      ['queue', this.#gauge('flexemr_scorer_queue_candidates')],
      ['running', this.#gauge('flexemr_scorer_batches_running')],
      ['resident', this.#gauge('process_resident_memory_bytes')],
      ['heap', this.#gauge('nodejs_heap_size_used_bytes')],
      ['up', this.#gauge('flexemr_ranker_node_up', ['node'])],
      ['workers', this.#gauge('flexemr_ranker_node_workers', ['node'])],
    ]);
    if (nodes.length > 0) {
      this.#gauge('flexemr_cache_memory_bytes').set(2 ** 28);
      this.#gauge('flexemr_cache_target_bytes').set(1.1 * 2 ** 28);
      this.#gauge('flexemr_scorer_limit_candidates').set(256);
    }
    this.#gauge('process_start_time_seconds').set(started.getTime() / 1_000);
    if (nodes.length > 0)
      this.#subrequest = this.#histogram('flexemr_ranker_subrequest_duration_seconds', seconds, 'node');
  }

  kill(node: string): void {
    this.#downSince.set(node, this.#now);
  }

  restart(node: string): void {
    this.#downSince.delete(node);
  }

  /** One more second. @returns all metrics, as prom-client writes them */
  async tick(): Promise<string> {
    this.#now++;
    const load = 1 + 0.2 * Math.sin(this.#now / 30) + 0.08 * Math.sin(this.#now / 7);
    const batches = Math.round(110 * load * this.#vary(0.05));
    for (let i = 0; i < batches; i++) this.#score(load);
    this.#observeProcess(load, batches);
    this.#observeNodes();
    return await this.#registry.metrics();
  }

  #score(load: number): void {
    const down = [...this.#downSince.values()].some((since) => this.#now - since <= noticeS);
    const stages = { lookup: 0.0013, bottom: 0.0004, top: 0.0019 };
    const wait = 0.0009 * load ** 3 * this.#vary(1.1);
    let sum = wait;
    for (const [stage, mean] of Object.entries(stages)) {
      const time = mean * load * this.#vary(0.35) * (down && stage === 'lookup' ? 6 : 1);
      this.#stage.observe({ stage }, time);
      sum += time;
    }
    const count = Math.round(requestsOfBatch * candidatesOfRequest * this.#vary(0.3));
    this.#batch.observe(count);
    for (let i = 0; i < requestsOfBatch; i++) {
      this.#wait.observe(wait);
      this.#request.observe(sum * this.#vary(0.15));
    }
    const failed = down && this.#vary(1) > 2.5 ? 1 : 0;
    if (failed > 0) this.#count('scorer_errors', failed, { code: 'UNAVAILABLE' });
    this.#count('scorer_requests', requestsOfBatch - failed);
    this.#count('scorer_candidates', count);
    this.#count('scorer_batches', 1);
    this.#count('http_received_bytes', count * 180);
    this.#count('http_sent_bytes', count * 9);
    this.#lookUp(count, down);
  }

  #lookUp(count: number, down: boolean): void {
    const known = this.#nodes.filter(
      (node) => this.#now - (this.#downSince.get(node) ?? this.#now) < noticeS,
    );
    if (known.length === 0) return;
    for (const node of known) {
      const failed = this.#downSince.has(node);
      this.#subrequest?.observe({ node }, 0.0011 * this.#vary(0.4));
      if (failed) this.#count('ranker_errors', 1, { node, code: 'UNAVAILABLE' });
    }
    this.#count('cache_probed_bags', count);
    this.#count('cache_hit_bags', count * 0.6);
    this.#count('cache_hit_bytes', count * 0.6 * 128);
    this.#count('ranker_lookups', 1);
    this.#count('ranker_subrequests', known.length);
    this.#count('ranker_retries', down && this.#vary(1) > 1 ? 1 : 0);
    this.#count('ranker_sent_bytes', count * 130);
    this.#count('ranker_received_bytes', count * 810);
  }

  #observeProcess(load: number, batches: number): void {
    this.#count('cpu', 0.012 * batches * this.#vary(0.04));
    this.#collection.observe({ kind: 'minor' }, 0.018 * load * this.#vary(0.3));
    this.#gauges.get('queue')?.set(Math.round(60 * load ** 4 * this.#vary(0.3)));
    this.#gauges.get('running')?.set(load > 1 ? 2 : 1);
    const heap = 86e6 + 2.2e6 * (this.#now % 23);
    this.#gauges.get('heap')?.set(heap);
    this.#gauges.get('resident')?.set(318e6 + heap * 0.4);
  }

  #observeNodes(): void {
    for (const node of this.#nodes) {
      this.#gauges.get('up')?.set({ node }, this.#downSince.has(node) ? 0 : 1);
      this.#gauges.get('workers')?.set({ node }, 8);
    }
  }

  /** A factor about 1; `spread` is the standard deviation of its logarithm. The same in each run. */
  #vary(spread: number): number {
    const uniform = (): number => {
      this.#random = (this.#random * 48_271) % 0x7fffffff;
      return this.#random / 0x7fffffff;
    };
    return Math.exp(spread * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
  }

  #count(name: string, by: number, labels: Record<string, string> = {}): void {
    this.#counters.get(name)?.inc(labels, by);
  }

  #counter(name: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help: name, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help: name, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, buckets: number[], ...labelNames: string[]): Histogram {
    return new Histogram({ name, help: name, buckets, labelNames, registers: [this.#registry] });
  }
}
