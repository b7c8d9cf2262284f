import { FlexemrError } from '../errors.ts';
import { turnWaitMsMax } from '../scoring-limits.ts';

interface Waiting {
  readonly since: number;
  readonly begin: () => void;
}

/**
 * Lets requests be read in order of arrival, one in each turn of the event loop. The socket reads of one turn can bring a
 * hundred requests. If all were read at once, the lookups and networks of the batches in progress would wait for them.
 */
export class Turns {
  readonly #waiting: Waiting[] = [];
  /** Whether this turn has been taken. */
  #taken = false;

  /** Refuses a request before it is read, if those before it already wait too long. @throws OVERLOADED */
  check(): void {
    const [first] = this.#waiting;
    if (first === undefined || performance.now() - first.since < turnWaitMsMax) return;
    const message = `${this.#waiting.length} requests wait to be read, for more than ${turnWaitMsMax} ms; try again`;
    throw new FlexemrError('OVERLOADED', message, { field: 'queue', value: this.#waiting.length });
  }

  /** Waits until it is the turn of a request. @throws OVERLOADED */
  async take(): Promise<void> {
    this.check();
    if (this.#taken) {
      await new Promise<void>((begin) => this.#waiting.push({ since: performance.now(), begin }));
      return;
    }
    this.#taken = true;
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#taken = false;
      return;
    }
    setImmediate(this.#next);
    next.begin();
  };
}
