// Scores requests: a bounded queue, batches, a lookup, the networks.

import * as v from 'valibot';
import { checkFields, integer, options as optionsOf } from '../check.ts';
import { type ErrorCode, FlexemrError } from '../errors.ts';
import { deadlineMsDefault } from '../limits.ts';
import type { ModelSignature } from '../model/model.ts';
import { Deadline, deadlineFields } from '../ranker/deadline.ts';
import { candidatesMax } from '../scoring-limits.ts';
import { type Span, type TraceContext, traceContext } from '../wire/trace.ts';
import { type BatchLimit, FixedBatchLimit } from './batch-limit.ts';
import { type BatchContext, BatchRun } from './batch-run.ts';
import type { CacheController } from './cache-controller.ts';
import type { ControllerStats } from './controller-stats.ts';
import { largest } from './ranking.ts';
import { RunningBatches } from './running-batches.ts';
import { ScoreBatch } from './score-batch.ts';
import { checkRequest, type ScoreRequest } from './score-request.ts';
import { type Ending, type Scores, ScoreTask } from './score-task.ts';
import { TaskQueue } from './task-queue.ts';

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
  /** Requests that ended with an error, by its code. */
  readonly errors: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Candidates that wait now, and the batches in progress. */
  readonly queued: number;
  readonly running: number;
  /** What an adaptive cache of the source follows. Undefined: it has none. */
  readonly memory: ControllerStats | undefined;
}

export interface ScoreOptions {
  /** Milliseconds from now; default 5000. */
  readonly deadline?: number | undefined;
  /** Ends the request, for example because its client has gone. */
  readonly signal?: AbortSignal | undefined;
  /** How many of the best candidates `Scores.top` lists; more than there are: all. Default: none. */
  readonly topK?: number | undefined;
  /** The span that the request belongs to. */
  readonly trace?: TraceContext | undefined;
}

/** What a scorer needs. */
export interface ScorerParts extends BatchContext {
  readonly batching: Batching;
  /** Gives the cache of the source the memory that the networks do not need. */
  readonly controller?: CacheController | undefined;
}

const scoreOptions = optionsOf({
  ...deadlineFields,
  topK: v.optional(integer(1, candidatesMax)),
  trace: v.optional(traceContext),
});

/** A request is only accepted if its deadline is this much longer than it is expected to take: batches differ. */
const deadlineMargin = 1.25;

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
  readonly #parts: ScorerParts;
  readonly #queue: TaskQueue;
  readonly #limit: BatchLimit;
  readonly #running: RunningBatches;
  #delay: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  readonly #stats = { requests: 0, candidates: 0, batches: 0, refused: 0 };
  readonly #errors: Partial<Record<ErrorCode, number>> = {};

  /** @param parts already checked */
  constructor(parts: ScorerParts) {
    this.#parts = parts;
    const { batching, controller, dense } = parts;
    this.#queue = new TaskQueue(batching.queueCandidates);
    this.#limit = controller ?? new FixedBatchLimit(batching.batchCandidates);
    this.#running = new RunningBatches(dense.threads, this.#limit);
    controller?.onMore(() => this.#pump());
  }

  /** What requests have, and what they get. */
  get signature(): ModelSignature {
    return this.#parts.plan.signature;
  }

  /** The package that runs the networks. */
  get runtime(): string {
    return this.#parts.dense.runtime;
  }

  get stats(): ScorerStats {
    const { candidates: queued } = this.#queue;
    const memory = this.#parts.controller?.stats;
    return { ...this.#stats, errors: { ...this.#errors }, queued, running: this.#running.size, memory };
  }

  /**
   * Scores the candidates of a request.
   * @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, INVALID_OPTION, UNKNOWN_TABLE, LIMIT_EXCEEDED;
   *   OVERLOADED at once if the queue is too long for its deadline; DEADLINE_EXCEEDED, CANCELLED, RELEASED;
   *   WORKER_FAILED, and the errors of nodes, as Ranker.lookup
   */
  async score(request: ScoreRequest, options: ScoreOptions = {}): Promise<Scores> {
    const { deadline = deadlineMsDefault, signal, topK, trace } = checkFields(scoreOptions, options);
    const checked = checkRequest(request, this.#parts.plan);
    if (this.#closed) throw closed();
    if (checked.candidates > this.#limit.most) throw tooLarge(checked.candidates, this.#limit.most);
    const end = new Deadline(deadline, signal, 'request');
    const span = this.#parts.tracer?.start('score', trace, {
      attributes: { 'flexemr.candidates': checked.candidates },
    });
    const own = span?.context ?? trace;
    const task = new ScoreTask(checked, { deadline: end, topK, span, trace: own, onEnd: this.#onEnd });
    const refusal = task.ended ? undefined : this.#refusal(checked.candidates, deadline);
    if (refusal) {
      this.#stats.refused++;
      task.fail(refusal);
    } else if (!task.ended) this.#queue.push(task);
    this.#pump();
    return await task.scores;
  }

  readonly #onEnd = (task: ScoreTask, ending: Ending): void => {
    this.#queue.remove(task);
    const { code } = ending;
    if (code === undefined) {
      this.#stats.requests++;
      this.#stats.candidates += task.request.candidates;
    } else this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    this.#parts.observer?.ended(ending);
  };

  /** Why a request cannot be served in time, known at once instead of at its deadline. */
  #refusal(candidates: number, deadline: number): FlexemrError | undefined {
    const full = this.#queue.refusal(candidates);
    if (full) return full;
    // Whatever batches took before, a scorer without work tries, and so learns how long they take now.
    if (this.#queue.length === 0 && this.#running.size === 0) return undefined;
    const ms = this.#running.expectedMs(this.#queue.candidates + candidates);
    if (ms * deadlineMargin <= deadline) return undefined;
    const message = `a request takes about ${Math.ceil(ms)} ms now, but its deadline is ${deadline} ms; try again`;
    return new FlexemrError('OVERLOADED', message, { field: 'deadline', value: deadline });
  }

  /** Begins batches, as many as may run. */
  #pump(): void {
    clearTimeout(this.#delay);
    this.#limit.wanted(this.#queue.candidates);
    while (this.#running.mayBegin(this.#queue.candidates) && this.#limit.fits(this.#queue.next)) {
      const waitMs = this.#delayLeft();
      if (waitMs > 0) {
        this.#delay = setTimeout(() => this.#pump(), waitMs);
        return;
      }
      const tasks = this.#take();
      const candidates = tasks.reduce((sum, { request }) => sum + request.candidates, 0);
      this.#running.begin(candidates, this.#run(tasks), () => this.#pump());
    }
  }

  /** Milliseconds that the oldest request may still wait for others. */
  #delayLeft(): number {
    const { batchDelay } = this.#parts.batching;
    if (this.#queue.candidates >= this.#limit.now) return 0;
    return (this.#queue.oldest ?? 0) + batchDelay - performance.now();
  }

  /** Takes the requests of the next batch from the queue. */
  #take(): ScoreTask[] {
    const { observer } = this.#parts;
    const tasks = this.#queue.take(this.#limit.now);
    const now = performance.now();
    for (const { queuedAt } of tasks) observer?.waited(now - queuedAt);
    return tasks;
  }

  /**
   * Scores a batch. If it fails because of one of its requests, its halves are scored, so that only this one fails. If a
   * thread ended with it, it is scored by another thread.
   */
  async #run(tasks: readonly ScoreTask[], isRetry = false): Promise<void> {
    if (tasks.length === 0) return;
    const began = performance.now();
    const span = this.#span(tasks);
    try {
      const batch = new ScoreBatch(
        tasks.map(({ request }) => request),
        this.#parts.plan,
      );
      const deadlineMs = Math.max(1, ...tasks.map(({ leftMs }) => leftMs));
      const outputs = await new BatchRun(batch, this.#parts, span).outputs(deadlineMs);
      this.#running.took(batch.candidates, performance.now() - began);
      this.#stats.batches++;
      this.#parts.observer?.batch(batch.candidates);
      span?.end();
      this.#answer(tasks, outputs, batch.candidates);
    } catch (error) {
      span?.end(error as Error);
      const code = error instanceof FlexemrError ? error.code : undefined;
      const left = tasks.filter(({ ended }) => !ended);
      if (code === 'WORKER_FAILED' && !isRetry) await this.#run(left, true);
      else if (tasks.length === 1 || code === undefined || !byRequest.includes(code))
        for (const task of left) task.fail(error as Error);
      else {
        const half = Math.ceil(left.length / 2);
        await this.#run(left.slice(0, half), isRetry);
        await this.#run(left.slice(half), isRetry);
      }
    }
  }

  /** The span of a batch. It is a part of the trace of its first request that has one, and has links to the others. */
  #span(tasks: readonly ScoreTask[]): Span | undefined {
    const [first, ...others] = tasks.flatMap(({ trace }) => trace ?? []);
    const attributes = { 'flexemr.requests': tasks.length };
    return this.#parts.tracer?.start('batch', first, { attributes, links: others });
  }

  #answer(tasks: readonly ScoreTask[], outputs: Readonly<Record<string, Float32Array>>, all: number): void {
    const { score } = this.signature;
    let first = 0;
    for (const task of tasks) {
      const { candidates } = task.request;
      const own = Object.entries(outputs).map(([name, values]) => {
        const width = values.length / all;
        return [name, values.slice(first * width, (first + candidates) * width)] as const;
      });
      first += candidates;
      const named = Object.fromEntries(own);
      const top = task.topK === undefined ? undefined : largest(named[score], task.topK);
      task.succeed({ candidates, outputs: named, top });
    }
  }

  /** Refuses what waits with RELEASED, and ends once the batches in progress have ended. The source stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#delay);
    this.#parts.controller?.[Symbol.dispose]();
    for (const task of this.#queue.clear()) task.fail(closed());
    await this.#running.ended();
    await this.#parts.dense.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function tooLarge(candidates: number, most: number): FlexemrError {
  const message = `a request has ${candidates} candidates, but there is memory for a batch of ${most}: send fewer`;
  return new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: candidates });
}

function closed(): FlexemrError {
  return new FlexemrError('RELEASED', 'this scorer is closed; open another one');
}
