import { FlexemrError } from '../errors.ts';

/**
 * When a lookup ends: at its deadline, or as soon as its caller cancels it or its ranker is closed. Whatever a lookup
 * awaits it awaits through `wait`, `sleep` or `during`, so that no wait outlives it; test/00.tidy holds that.
 */
export class Deadline implements Disposable {
  readonly #until: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #signal: AbortSignal | undefined;
  readonly #cancels = new Set<() => void>();
  #over: FlexemrError | undefined;

  /** @param ms from now */
  constructor(ms: number, signal: AbortSignal | undefined) {
    this.#until = performance.now() + ms;
    this.#signal = signal;
    this.#timer = setTimeout(() => this.end(deadlineExceeded(ms)), ms);
    signal?.addEventListener('abort', this.#aborted);
    if (signal?.aborted) this.#aborted();
  }

  readonly #aborted = (): void => {
    const cause = this.#signal?.reason;
    this.end(
      new FlexemrError('CANCELLED', 'the lookup was cancelled by its caller', { field: 'signal', cause }),
    );
  };

  /** Ends the lookup now, unless it is over. */
  end(error: FlexemrError): void {
    this.#over ??= error;
    for (const cancel of [...this.#cancels]) cancel();
    this.#cancels.clear();
  }

  /** Why it is over, once it is. */
  get over(): FlexemrError | undefined {
    return this.#over;
  }

  /** Milliseconds; negative where it has passed. */
  get leftMs(): number {
    return this.#until - performance.now();
  }

  /** Calls `cancel` should the lookup end meanwhile. @returns undo */
  during(cancel: () => void): () => void {
    if (this.#over) cancel();
    else this.#cancels.add(cancel);
    return () => this.#cancels.delete(cancel);
  }

  /** What `promise` gives. @throws what it throws, or why the lookup is over where that comes first */
  async wait<T>(promise: Promise<T>): Promise<T> {
    const { promise: end, reject } = Promise.withResolvers<never>();
    const undo = this.during(() => reject(this.#over));
    try {
      return await Promise.race([promise, end]);
    } finally {
      undo();
    }
  }

  /** Waits for `ms` milliseconds, or until the lookup is over. */
  async sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const undo = this.during(resolve);
    await promise;
    undo();
    clearTimeout(timer);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#aborted);
  }
}

function deadlineExceeded(ms: number): FlexemrError {
  return new FlexemrError('DEADLINE_EXCEEDED', `the lookup was not answered within its ${ms} ms`, {
    field: 'deadline',
    value: ms,
  });
}
