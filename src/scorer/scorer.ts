// Scores requests: a bounded queue, batches, a lookup, the dense network.
import { checkFields, options as optionsOf } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { deadlineMsDefault } from '../limits.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { Deadline, deadlineFields } from '../ranker/deadline.ts';
import { sigmoid, stackPooled } from '../ranker/dense-network.ts';
import { commonDim } from './common-dim.ts';
import { candidatesOf, joinBags, joinDense } from './score-batch.ts';
import { checkRequest, type ScoreInputs, type ScoreRequest } from './score-request.ts';
import { type ScoreOptions, type Scores, ScoreTask } from './score-task.ts';
import { TaskQueue } from './task-queue.ts';

/** Where pooled vectors come from. `Ranker` and `Tables` implement it. */
export interface VectorSource {
  readonly specs: readonly TableSpec[];
  lookup(bags: KeyedBags, options?: { readonly deadline?: number | undefined }): Promise<Lookup>;
}

/** Runs the dense network for a batch. */
export interface DenseRunner {
  /** Number of dense features of a candidate. */
  readonly features: number;
  /** How many batches it runs at the same time. */
  readonly threads: number;
  /** @param dense f32 [candidates, features] @param pooled f32 [candidates, tables, dim] @returns f32 [candidates] */
  run(dense: Float32Array, pooled: Float32Array, candidates: number, dim: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** How requests are put together. */
export interface Batching {
  /** Most candidates of a batch. A request that has more is a batch of its own. */
  readonly batchCandidates: number;
  /** Longest time in ms that a request waits for others while nothing else is in progress. */
  readonly batchDelay: number;
  /** Most candidates in the queue. */
  readonly queueCandidates: number;
}

/** What a scorer has done since it was opened. */
export interface ScorerStats {
  /** Requests and candidates that were scored, and the batches that they were in. */
  readonly requests: number;
  readonly candidates: number;
  readonly batches: number;
  /** Requests that were refused because the queue was too long. */
  readonly refused: number;
  /** Candidates that wait now. */
  readonly queued: number;
}

const scoreOptions = optionsOf(deadlineFields);

/** Errors that one request of a batch may have caused. */
const byRequest: readonly string[] = [
  'INVALID_KEY',
  'INVALID_OFFSETS',
  'INVALID_WEIGHTS',
  'INVALID_BAGS',
  'LIMIT_EXCEEDED',
  'OUT_OF_MEMORY',
];

/** Scores the candidates of requests. Requests that wait at the same time are scored together. */
export class Scorer implements AsyncDisposable {
  readonly #source: VectorSource;
  readonly #dense: DenseRunner;
  readonly #batching: Batching;
  readonly #inputs: ScoreInputs;
  readonly #dim: number;
  readonly #queue: TaskQueue;
  readonly #running = new Set<Promise<void>>();
  #delay: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Milliseconds that a batch takes, a moving average. */
  #batchMs = 0;
  #stats = { requests: 0, candidates: 0, batches: 0, refused: 0 };

  /** @throws INVALID_TABLE if the vectors of all tables cannot be stacked */
  constructor(source: VectorSource, dense: DenseRunner, batching: Batching) {
    this.#source = source;
    this.#dense = dense;
    this.#batching = batching;
    const { specs } = source;
    this.#inputs = { specs, features: dense.features };
    this.#dim = commonDim(specs);
    this.#queue = new TaskQueue(batching.queueCandidates);
  }

  get stats(): ScorerStats {
    return { ...this.#stats, queued: this.#queue.candidates };
  }

  /**
   * Scores the candidates of a request.
   * @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, INVALID_OPTION, UNKNOWN_TABLE, LIMIT_EXCEEDED;
   *   OVERLOADED at once if the queue is too long for its deadline; DEADLINE_EXCEEDED, CANCELLED, RELEASED;
   *   WORKER_FAILED, and the errors of nodes, as Ranker.lookup
   */
  async score(request: ScoreRequest, options: ScoreOptions = {}): Promise<Scores> {
    const { deadline = deadlineMsDefault, signal } = checkFields(scoreOptions, options);
    const checked = checkRequest(request, this.#inputs);
    if (this.#closed) throw closed();
    const refusal = this.#refusal(checked.candidates, deadline);
    if (refusal) {
      this.#stats.refused++;
      throw refusal;
    }
    const end = new Deadline(deadline, signal, 'request');
    const task = new ScoreTask(checked, end, (ended) => this.#queue.remove(ended));
    if (!task.ended) this.#queue.push(task);
    this.#pump();
    return await task.scores;
  }

  /** Why a request cannot be served in time, known at once instead of at its deadline. */
  #refusal(candidates: number, deadline: number): FlexemrError | undefined {
    const full = this.#queue.refusal(candidates);
    if (full) return full;
    // Whatever batches took before, a scorer without work tries, and so learns how long they take now.
    if (this.#queue.length === 0 && this.#running.size === 0) return undefined;
    const waitMs = this.#waitMs(candidates);
    if (waitMs <= deadline) return undefined;
    const message = `a request takes about ${Math.ceil(waitMs)} ms now, but its deadline is ${deadline} ms; try again`;
    return new FlexemrError('OVERLOADED', message, { field: 'deadline', value: deadline });
  }

  /** Milliseconds until a request that arrives now would be scored. */
  #waitMs(candidates: number): number {
    const { batchCandidates } = this.#batching;
    const batches = Math.ceil((this.#queue.candidates + candidates) / batchCandidates) + this.#running.size;
    // The last batch takes its whole time, however many run beside it.
    return this.#batchMs * Math.max(1, batches / this.#batchesMax);
  }

  /** One batch is looked up while others are in the dense network. */
  get #batchesMax(): number {
    return this.#dense.threads + 1;
  }

  /** Begins batches, as many as may run. */
  #pump(): void {
    clearTimeout(this.#delay);
    while (this.#queue.length > 0 && this.#running.size < this.#batchesMax) {
      const waitMs = this.#delayLeft();
      if (waitMs > 0) {
        this.#delay = setTimeout(() => this.#pump(), waitMs);
        return;
      }
      const batch = this.#run(this.#queue.take(this.#batching.batchCandidates));
      this.#running.add(batch);
      void batch.finally(() => {
        this.#running.delete(batch);
        this.#pump();
      });
    }
  }

  /** Milliseconds that the oldest request may still wait for others. */
  #delayLeft(): number {
    const { batchCandidates, batchDelay } = this.#batching;
    if (this.#queue.candidates >= batchCandidates) return 0;
    return (this.#queue.oldest ?? 0) + batchDelay - performance.now();
  }

  /** Scores a batch. If it fails because of one of its requests, the others are scored without that one. */
  async #run(tasks: readonly ScoreTask[]): Promise<void> {
    const began = performance.now();
    try {
      const logits = await this.#logits(tasks);
      const ms = performance.now() - began;
      this.#batchMs = this.#batchMs === 0 ? ms : 0.9 * this.#batchMs + 0.1 * ms;
      this.#stats.batches++;
      this.#answer(tasks, logits);
    } catch (error) {
      const isOneOf = error instanceof FlexemrError && byRequest.includes(error.code);
      if (tasks.length === 1 || !isOneOf) for (const task of tasks) task.fail(error as Error);
      else for (const task of tasks) if (!task.ended) await this.#run([task]);
    }
  }

  async #logits(tasks: readonly ScoreTask[]): Promise<Float32Array> {
    const requests = tasks.map(({ request }) => request);
    const candidates = candidatesOf(requests);
    const deadline = Math.max(1, ...tasks.map(({ leftMs }) => leftMs));
    const dense = joinDense(requests, this.#inputs);
    using lookup = await this.#source.lookup(joinBags(requests, this.#inputs), { deadline });
    const vectors = Array.from(lookup.values(), ({ values }) => values);
    const pooled = stackPooled(vectors, candidates, this.#dim);
    return await this.#dense.run(dense, pooled, candidates, this.#dim);
  }

  #answer(tasks: readonly ScoreTask[], logits: Float32Array): void {
    let first = 0;
    for (const task of tasks) {
      const { candidates } = task.request;
      const own = logits.slice(first, first + candidates);
      first += candidates;
      if (!task.ended) {
        this.#stats.requests++;
        this.#stats.candidates += candidates;
      }
      task.succeed({ logits: own, probs: sigmoid(own) });
    }
  }

  /** Refuses what waits with RELEASED, and ends once the batches in progress have ended. The source stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#delay);
    for (const task of this.#queue.clear()) task.fail(closed());
    await Promise.allSettled(this.#running);
    await this.#dense.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function closed(): FlexemrError {
  return new FlexemrError('RELEASED', 'this scorer is closed; open another one');
}
