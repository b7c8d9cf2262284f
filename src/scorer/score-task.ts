import { FlexemrError } from '../errors.ts';
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

/** A request in the queue or in a batch. It ends once: with scores, with an error, at its deadline, or by its signal. */
export class ScoreTask {
  readonly request: CheckedRequest;
  readonly scores: Promise<Scores>;
  readonly queuedAt: number = performance.now();
  readonly #until: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (task: ScoreTask) => void;
  readonly #resolve: (scores: Scores) => void;
  readonly #reject: (error: Error) => void;
  #ended = false;

  /** @param deadline milliseconds from now @param onEnd called once, before anybody sees the result */
  constructor(
    request: CheckedRequest,
    { deadline, signal }: { readonly deadline: number; readonly signal: AbortSignal | undefined },
    onEnd: (task: ScoreTask) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Scores>();
    this.request = request;
    this.scores = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#until = this.queuedAt + deadline;
    this.#signal = signal;
    this.#onEnd = onEnd;
    this.#timer = setTimeout(() => this.fail(exceeded(deadline)), deadline);
    signal?.addEventListener('abort', this.abort);
  }

  /** Its caller no longer waits. */
  readonly abort = (): void => {
    const place = { field: 'signal', cause: this.#signal?.reason };
    this.fail(new FlexemrError('CANCELLED', 'the request was cancelled by its caller', place));
  };

  get ended(): boolean {
    return this.#ended;
  }

  /** Milliseconds until its deadline. */
  get leftMs(): number {
    return this.#until - performance.now();
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
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.abort);
    this.#onEnd(this);
    return true;
  }
}

function exceeded(ms: number): FlexemrError {
  const message = `the request was not scored within its deadline of ${ms} ms`;
  return new FlexemrError('DEADLINE_EXCEEDED', message, { field: 'deadline', value: ms });
}
