// @ts-check
// All figures of the page, from two scrapes.
import { Interval } from './interval.js';

/** @import { Scrape } from './metrics.js' */
/**
 * A figure. Undefined: the metric does not exist, or nothing happened of which it could be said.
 * @typedef {number | undefined} Figure
 */
/**
 * Errors of one code, per second and since the start.
 * @typedef {{ readonly code: string, readonly rate: Figure, readonly total: number }} Failing
 */
/** @typedef {{ readonly p50: Figure, readonly p99: Figure }} Times seconds */
/** @typedef {{ readonly to: Figure, readonly from: Figure }} Traffic bytes per second */
/**
 * @typedef {Times & {
 *   readonly name: string, readonly up: boolean, readonly workers: Figure,
 *   readonly subrequests: Figure, readonly errors: readonly Failing[],
 * }} MemoryNode
 */
/**
 * The cache of a ranker: bags per second that it found, bytes per second that no node had to send, its memory, and, if it is
 * adaptive, the memory that it is to have.
 * @typedef {{ readonly found: Figure, readonly saved: Figure, readonly memory: Figure, readonly target: Figure }} Cache
 */
/**
 * Lookups in memory nodes. `subrequests`, `lookups` and `retries` are per second.
 * @typedef {{
 *   readonly nodes: readonly MemoryNode[], readonly traffic: Traffic,
 *   readonly lookups: Figure, readonly subrequests: Figure, readonly retries: Figure,
 *   readonly cache: Cache | undefined,
 * }} Remote
 */
/** @typedef {ReturnType<typeof figuresOf>} Figures */

/** @param {Scrape | undefined} before undefined: there are no rates and no quantiles @param {Scrape} now */
export function figuresOf(before, now) {
  const during = new Interval(before, now);
  return {
    /** Seconds since 1970. */
    since: now.value('process_start_time_seconds'),
    /** Since the start. */
    totals: {
      requests: now.value('flexemr_scorer_requests_total'),
      threadRestarts: now.value('flexemr_scorer_dense_thread_restarts_total'),
    },
    requests: during.rate('flexemr_scorer_requests_total'),
    candidates: during.rate('flexemr_scorer_candidates_total'),
    errors: failing(during, now, 'flexemr_scorer_errors_total'),
    latency: times(during, 'flexemr_scorer_request_duration_seconds'),
    wait: times(during, 'flexemr_scorer_queue_wait_seconds'),
    queue: now.value('flexemr_scorer_queue_candidates'),
    running: now.value('flexemr_scorer_batches_running'),
    batch: during.mean('flexemr_scorer_batch_candidates'),
    /** Undefined: the cache is not adaptive. */
    batchLimit: now.value('flexemr_scorer_limit_candidates'),
    stages: stages(during, now),
    clients: traffic(during, 'flexemr_http'),
    remote: remote(during, now),
    cpu: during.rate('process_cpu_seconds_total'),
    collecting: during.rate('nodejs_gc_duration_seconds_sum'),
    resident: now.value('process_resident_memory_bytes'),
    heap: now.value('nodejs_heap_size_used_bytes'),
  };
}

/** @param {Interval} during @param {string} name @param {Record<string, string>} having @returns {Times} */
function times(during, name, having = {}) {
  return { p50: during.quantile(0.5, name, having), p99: during.quantile(0.99, name, having) };
}

/** @param {Interval} during @param {string} prefix @returns {Traffic} */
function traffic(during, prefix) {
  return {
    to: during.rate(`${prefix}_sent_bytes_total`),
    from: during.rate(`${prefix}_received_bytes_total`),
  };
}

/** @param {Interval} during @param {Scrape} now @param {string} name @param {Record<string, string>} having */
function failing(during, now, name, having = {}) {
  const samples = now.samples(name, having);
  return samples.map(({ labels: { code = '' }, value }) => {
    return { code, rate: during.rate(name, { ...having, code }), total: value };
  });
}

/** The median of the lookup and of each network. @param {Interval} during @param {Scrape} now */
function stages(during, now) {
  const name = 'flexemr_scorer_stage_duration_seconds';
  const known = now.labelled(`${name}_count`, 'stage');
  return known.map((stage) => ({ stage, p50: during.quantile(0.5, name, { stage }) }));
}

/** @param {Interval} during @param {Scrape} now @returns {Remote | undefined} undefined: the tables are in its process */
function remote(during, now) {
  if (now.value('flexemr_ranker_lookups_total') === undefined) return undefined;
  const names = now.labelled('flexemr_ranker_node_up', 'node');
  return {
    nodes: names.map((name) => memoryNode(during, now, name)),
    traffic: traffic(during, 'flexemr_ranker'),
    lookups: during.rate('flexemr_ranker_lookups_total'),
    subrequests: during.rate('flexemr_ranker_subrequests_total'),
    retries: during.rate('flexemr_ranker_retries_total'),
    cache: cache(during, now),
  };
}

/** @param {Interval} during @param {Scrape} now @returns {Cache | undefined} undefined: there is none */
function cache(during, now) {
  const memory = now.value('flexemr_cache_memory_bytes');
  if (!memory) return undefined;
  return {
    found: during.rate('flexemr_cache_hit_bags_total'),
    saved: during.rate('flexemr_cache_hit_bytes_total'),
    memory,
    target: now.value('flexemr_cache_target_bytes'),
  };
}

/** @param {Interval} during @param {Scrape} now @param {string} node @returns {MemoryNode} */
function memoryNode(during, now, node) {
  const name = 'flexemr_ranker_subrequest_duration_seconds';
  return {
    name: node,
    up: now.value('flexemr_ranker_node_up', { node }) === 1,
    workers: now.value('flexemr_ranker_node_workers', { node }),
    subrequests: during.rate(`${name}_count`, { node }),
    errors: failing(during, now, 'flexemr_ranker_subrequest_errors_total', { node }),
    ...times(during, name, { node }),
  };
}
