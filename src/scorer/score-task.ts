import type { Deadline } from '../ranker/deadline.ts';
import type { CheckedRequest } from './score-request.ts';

/** The scores of the candidates of a request, in order. */
export interface Scores {
  /** f32 [candidates]. */
  readonly logits: Float32Array;
  /** f32 [candidates]. */
  readonly probs: Float32Array;
}

export interface ScoreOptions {
  /** Milliseconds from now; default 5000. */
  readonly deadline?: number | undefined;
  /** Ends the request, for example because its client has gone. */
  readonly signal?: AbortSignal | undefined;
}

/** A request in the queue or in a batch. It ends once: with scores, with an error, or with its deadline. */
export class ScoreTask {
  readonly request: CheckedRequest;
  readonly scores: Promise<Scores>;
  readonly queuedAt: number = performance.now();
  readonly #deadline: Deadline;
  readonly #onEnd: (task: ScoreTask) => void;
  readonly #resolve: (scores: Scores) => void;
  readonly #reject: (error: Error) => void;
  #ended = false;

  /** @param onEnd called once, before anybody sees the result */
  constructor(request: CheckedRequest, deadline: Deadline, onEnd: (task: ScoreTask) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<Scores>();
    this.request = request;
    this.scores = promise;
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
    if (this.#end()) this.#resolve(scores);
  }

  fail(error: Error): void {
    if (this.#end()) this.#reject(error);
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#deadline[Symbol.dispose]();
    this.#onEnd(this);
    return true;
  }
}
