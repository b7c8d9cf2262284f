import type { Answer } from './load.ts';
import type { Samples } from './scrape.ts';

/** What a load has done, in the words of the metrics. */
export class Tally {
  readonly #nodes: readonly string[];
  readonly #counts: Record<string, number> = {};

  /** @param nodes that all lookups ask */
  constructor(nodes: readonly string[]) {
    this.#nodes = nodes;
  }

  add(id: string, by = 1): void {
    this.#counts[id] = (this.#counts[id] ?? 0) + by;
  }

  http(endpoint: string, { status }: Pick<Answer, 'status'>, code?: string): void {
    this.add(`http_requests_total endpoint=${endpoint} status=${status}`);
    this.add(`http_request_duration_seconds_count endpoint=${endpoint}`);
    if (code !== undefined) this.add(`http_errors_total code=${code}`);
  }

  /** A request that was a batch by itself. @param bagsRepeated that were not sent */
  scored(candidates: number, bagsRepeated: number): void {
    this.add('scorer_requests_total');
    this.add('scorer_candidates_total', candidates);
    this.add('scorer_batches_total');
    this.add('scorer_request_duration_seconds_count');
    this.add('scorer_queue_wait_seconds_count');
    this.add('scorer_batch_candidates_sum', candidates);
    this.add('scorer_batch_candidates_count');
    for (const stage of ['lookup', 'dense']) this.add(`scorer_stage_duration_seconds_count stage=${stage}`);
    this.add('ranker_lookups_total');
    this.add('ranker_subrequests_total', this.#nodes.length);
    for (const node of this.#nodes) this.add(`ranker_subrequest_duration_seconds_count node=${node}`);
    this.add('ranker_bags_repeated_total', bagsRepeated);
  }

  /** The request was refused by the scorer, after it had waited. */
  failed(code: string): void {
    this.add(`scorer_errors_total code=${code}`);
    this.add('scorer_request_duration_seconds_count');
    this.add('scorer_queue_wait_seconds_count');
  }

  get samples(): Samples {
    const counts = Object.entries(this.#counts).filter(([, count]) => count !== 0);
    return Object.fromEntries(counts.map(([id, count]) => [`flexemr_${id}`, count]));
  }
}
