import { type ErrorCode, FlexemrError } from '../errors.ts';
import type { Deadline } from '../ranker/deadline.ts';
import type { Span, TraceContext } from '../wire/trace.ts';
import type { CheckedRequest } from './score-request.ts';

/** The scores of the candidates of a request, in order. */
export interface Scores {
  readonly candidates: number;
  /** By output of the model: f32 [candidates], or [candidates, width]. */
  readonly outputs: Readonly<Record<string, Float32Array>>;
  /** u32 [topK]: the candidates with the highest scores, best first; undefined if `topK` was not given. */
  readonly top: Uint32Array | undefined;
}

/** How a request ended. */
export interface Ending {
  /** Undefined: with scores. */
  readonly code: ErrorCode | undefined;
  /** Milliseconds since it arrived. */
  readonly ms: number;
}

/** What belongs to a request besides its contents. */
export interface TaskOptions {
  readonly deadline: Deadline;
  readonly topK: number | undefined;
  readonly span: Span | undefined;
  /** The span that a batch works for: its own, or that of the caller. */
  readonly trace: TraceContext | undefined;
  /** Called once, before anybody sees the result. */
  readonly onEnd: (task: ScoreTask, ending: Ending) => void;
}

/** A request in the queue or in a batch. It ends once: with scores, with an error, or with its deadline. */
export class ScoreTask {
  readonly request: CheckedRequest;
  readonly scores: Promise<Scores>;
  readonly queuedAt: number = performance.now();
  readonly topK: number | undefined;
  readonly trace: TraceContext | undefined;
  readonly #span: Span | undefined;
  readonly #deadline: Deadline;
  readonly #onEnd: TaskOptions['onEnd'];
  readonly #resolve: (scores: Scores) => void;
  readonly #reject: (error: Error) => void;
  #ended = false;

  constructor(request: CheckedRequest, { deadline, topK, span, trace, onEnd }: TaskOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<Scores>();
    this.request = request;
    this.scores = promise;
    this.topK = topK;
    this.trace = trace;
    this.#span = span;
    this.#deadline = deadline;
    this.#onEnd = onEnd;
    this.#resolve = resolve;
    this.#reject = reject;
    deadline.during(() => {
      if (deadline.over) this.fail(deadline.over);
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Milliseconds until its deadline. */
  get leftMs(): number {
    return this.#deadline.leftMs;
  }

  succeed(scores: Scores): void {
    if (this.#end(undefined)) this.#resolve(scores);
  }

  fail(error: Error): void {
    if (this.#end(error)) this.#reject(error);
  }

  #end(error: Error | undefined): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#deadline[Symbol.dispose]();
    this.#span?.end(error);
    const code = error && (error instanceof FlexemrError ? error.code : 'WORKER_FAILED');
    this.#onEnd(this, { code, ms: performance.now() - this.queuedAt });
    return true;
  }
}
