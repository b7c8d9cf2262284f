import type { FlexemrError } from '../errors.ts';

/**
 * Something that ends: a lookup, or one attempt of a subrequest. What it waits for, it waits for only through `wait` or `during`,
 * so that no wait outlives it.
 */
export abstract class Ending {
  /** Why it has ended; undefined until then. */
  abstract get over(): FlexemrError | undefined;

  /** Ends it now, unless it has already ended. */
  abstract end(error: FlexemrError): void;

  /** Calls `cancel` at the end, or now if it has ended. */
  abstract add(cancel: () => void): void;

  /** `cancel` need not be called any more. */
  abstract remove(cancel: () => void): void;

  /** Ends it if its time has passed. */
  abstract endIfDue(): void;

  /** Calls `cancel` at the end, or now if it has ended. @returns a function that removes `cancel` again */
  during(cancel: () => void): () => void {
    this.add(cancel);
    return () => this.remove(cancel);
  }

  /**
   * Waits for `promise`. @param onEnd called if it ends before
   * @throws what the promise throws, or the error of the end if that comes first
   */
  wait<T>(promise: Promise<T>, onEnd?: () => void): Promise<T> {
    // Promise.race would make three promises of it.
    return new Promise((resolve, reject) => {
      const end = (): void => {
        onEnd?.();
        reject(this.over);
      };
      this.add(end);
      promise.then(
        (value) => {
          this.remove(end);
          // The timer may be late: timers wait for other work of the thread, and what ended in time must not depend on that.
          this.endIfDue();
          const { over } = this;
          if (over) reject(over);
          else resolve(value);
        },
        (error: unknown) => {
          this.remove(end);
          reject(error);
        },
      );
    });
  }
}

/**
 * The end of one attempt of several: when the others are not needed any more, or when their lookup ends. An attempt waits for one
 * thing at a time, which the lookup knows too: so an attempt that nothing ends alone takes no more than its lookup would.
 */
export class AttemptEnding extends Ending {
  readonly #lookup: Ending;
  #over: FlexemrError | undefined;
  #cancel: (() => void) | undefined;

  constructor(lookup: Ending) {
    super();
    this.#lookup = lookup;
    this.#over = undefined;
    this.#cancel = undefined;
  }

  get over(): FlexemrError | undefined {
    return this.#over ?? this.#lookup.over;
  }

  end(error: FlexemrError): void {
    if (this.over !== undefined) return;
    this.#over = error;
    const cancel = this.#cancel;
    if (cancel === undefined) return;
    this.remove(cancel);
    cancel();
  }

  add(cancel: () => void): void {
    if (this.over === undefined) this.#cancel = cancel;
    if (this.#over === undefined) this.#lookup.add(cancel);
    else cancel();
  }

  remove(cancel: () => void): void {
    this.#cancel = undefined;
    this.#lookup.remove(cancel);
  }

  endIfDue(): void {
    this.#lookup.endIfDue();
  }
}
