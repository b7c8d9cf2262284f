import * as v from 'valibot';
import { numberWhere, type Optional } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { deadlineMsMax } from '../limits.ts';
import { Ending } from './ending.ts';

const isDeadline = (ms: number): boolean => ms > 0 && ms <= deadlineMsMax;
const isSignal = (value: unknown): boolean => value instanceof AbortSignal;

/** Options of everything that has a deadline. @internal */
export const deadlineFields: { readonly deadline: Optional<number>; readonly signal: Optional<AbortSignal> } =
  {
    deadline: v.optional(
      numberWhere(isDeadline, `milliseconds from now, more than 0, at most ${deadlineMsMax}`),
    ),
    signal: v.optional(v.custom<AbortSignal>(isSignal, 'an AbortSignal')),
  };

/**
 * Ends a lookup: at its deadline, or as soon as its caller cancels it or its ranker is closed. A lookup waits only
 * through `wait`, `sleep` or `during`, so that no wait outlives the lookup; test/00.tidy checks this.
 */
export class Deadline extends Ending implements Disposable {
  readonly #ms: number;
  readonly #until: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #signal: AbortSignal | undefined;
  readonly #what: string;
  /** What to call at the end. There are few, so a list is searched faster than a set. */
  #cancels: (() => void)[] = [];
  #over: FlexemrError | undefined;

  /** @param ms milliseconds from now @param what ends, for errors */
  constructor(ms: number, signal: AbortSignal | undefined, what = 'lookup') {
    super();
    this.#ms = ms;
    this.#what = what;
    this.#until = performance.now() + ms;
    this.#signal = signal;
    this.#timer = setTimeout(this.#passed, ms);
    signal?.addEventListener('abort', this.#aborted);
    if (signal?.aborted) this.#aborted();
  }

  readonly #passed = (): void => this.end(deadlineExceeded(this.#what, this.#ms));

  readonly #aborted = (): void => {
    const cause = this.#signal?.reason;
    this.end(
      new FlexemrError('CANCELLED', `the ${this.#what} was cancelled by its caller`, {
        field: 'signal',
        cause,
      }),
    );
  };

  get over(): FlexemrError | undefined {
    return this.#over;
  }

  end(error: FlexemrError): void {
    this.#over ??= error;
    const cancels = this.#cancels;
    this.#cancels = [];
    for (const cancel of cancels) cancel();
  }

  add(cancel: () => void): void {
    if (this.#over) cancel();
    else this.#cancels.push(cancel);
  }

  remove(cancel: () => void): void {
    const at = this.#cancels.indexOf(cancel);
    if (at >= 0) this.#cancels.splice(at, 1);
  }

  /** Milliseconds until the deadline; negative if it has passed. */
  get leftMs(): number {
    return this.#until - performance.now();
  }

  /** The timer may be late. */
  endIfDue(): void {
    if (this.leftMs < 0) this.#passed();
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

  /** Waits for the next turn of the event loop. @throws the error that ended the lookup */
  async turn(): Promise<void> {
    await turn();
    if (this.over) throw this.over;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#aborted);
  }
}

/** The deadlines of the lookups in flight. A set would leave garbage whenever one is added and deleted. */
export class Deadlines {
  readonly #all: Deadline[] = [];

  add(deadline: Deadline): void {
    this.#all.push(deadline);
  }

  delete(deadline: Deadline): void {
    const at = this.#all.lastIndexOf(deadline);
    const last = this.#all.pop();
    if (last !== undefined && at < this.#all.length) this.#all[at] = last;
  }

  /** Ends all of them. @param error makes the error of each */
  end(error: () => FlexemrError): void {
    for (const deadline of [...this.#all]) deadline.end(error());
  }
}

/** Waits for the next turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise(nextTurn);
}

/** Calls `then` in the next turn. Timers of browsers wait for milliseconds, but messages do not. */
function nextTurn(then: () => void): void {
  if (typeof setImmediate === 'function') setImmediate(then);
  else {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      then();
    };
    port2.postMessage(undefined);
  }
}

function deadlineExceeded(what: string, ms: number): FlexemrError {
  const message = `the ${what} did not finish within its deadline of ${Math.round(ms * 10) / 10 || ms} ms`;
  return new FlexemrError('DEADLINE_EXCEEDED', message, { field: 'deadline', value: ms });
}
