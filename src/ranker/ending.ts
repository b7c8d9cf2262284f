import type { FlexemrError } from '../errors.ts';

/**
 * Something that ends: a lookup, or one attempt of a subrequest. What it waits for, it waits for only through `wait` or `during`,
 * so that no wait outlives it.
 */
export class Ending {
  /** What to call at the end. There are few, so a list is searched faster than a set. */
  #cancels: (() => void)[] = [];
  #over: FlexemrError | undefined;

  /** Ends it now, unless it has already ended. */
  end(error: FlexemrError): void {
    this.#over ??= error;
    const cancels = this.#cancels;
    this.#cancels = [];
    for (const cancel of cancels) cancel();
  }

  /** Why it has ended; undefined until then. */
  get over(): FlexemrError | undefined {
    return this.#over;
  }

  /** Ends it if its time has passed. */
  endIfDue(): void {}

  /** Calls `cancel` at the end, or now if it has ended. @returns a function that removes `cancel` again */
  during(cancel: () => void): () => void {
    this.#add(cancel);
    return () => this.#remove(cancel);
  }

  #add(cancel: () => void): void {
    if (this.#over) cancel();
    else this.#cancels.push(cancel);
  }

  #remove(cancel: () => void): void {
    const at = this.#cancels.indexOf(cancel);
    if (at >= 0) this.#cancels.splice(at, 1);
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
        reject(this.#over);
      };
      this.#add(end);
      promise.then(
        (value) => {
          this.#remove(end);
          // The timer may be late: timers wait for other work of the thread, and what ended in time must not depend on that.
          this.endIfDue();
          if (this.#over) reject(this.#over);
          else resolve(value);
        },
        (error: unknown) => {
          this.#remove(end);
          reject(error);
        },
      );
    });
  }
}

/** The end of one attempt of several: when the others are not needed any more, or when their lookup ends. */
export class AttemptEnding extends Ending {
  readonly #lookup: Ending;
  readonly #undo: () => void;

  constructor(lookup: Ending) {
    super();
    this.#lookup = lookup;
    this.#undo = lookup.during(() => this.end(lookup.over as FlexemrError));
  }

  override endIfDue(): void {
    this.#lookup.endIfDue();
  }

  /** The attempt is over, and the lookup need not end it. */
  release(): void {
    this.#undo();
  }
}
