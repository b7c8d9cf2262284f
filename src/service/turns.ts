import { FlexemrError } from '../errors.ts';
import { deadlineMsDefault } from '../limits.ts';
import { readsPerTurnMax, turnBurstMs, turnBurstShareMax, turnWaitShareMax } from '../scoring-limits.ts';

/** The share of a new deadline in the average. */
const share = 0.1;

interface Waiting {
  readonly since: number;
  readonly begin: () => void;
}

/**
 * Lets requests be read in order of arrival, a few in each turn of the event loop. The socket reads of one turn can bring a
 * hundred requests. If all were read at once, the lookups and networks of the batches in progress would wait for them.
 */
export class Turns {
  readonly #waiting: Waiting[] = [];
  /** How many requests have been read in this turn. */
  #taken = 0;
  /** When requests began to wait. */
  #waitingSince = 0;
  /** Of the requests before, an average in ms. A request says its own only when it is read. */
  #deadlineMs: number = deadlineMsDefault;

  /** A request that was read has this deadline. */
  hasDeadline(ms: number): void {
    this.#deadlineMs += share * (ms - this.#deadlineMs);
  }

  /**
   * Refuses a request before it is read, if those before it already wait too long. They may wait longer while they have
   * come as a burst, for example because this thread had paused: they are soon read. @throws OVERLOADED
   */
  check(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const now = performance.now();
    const isBurst = now - this.#waitingSince < turnBurstMs;
    const waitMsMax = (isBurst ? turnBurstShareMax : turnWaitShareMax) * this.#deadlineMs;
    if (now - first.since < waitMsMax) return;
    const message = `${this.#waiting.length} requests wait to be read, for more than ${Math.round(waitMsMax)} ms; try again`;
    throw new FlexemrError('OVERLOADED', message, { field: 'queue', value: this.#waiting.length });
  }

  /** Waits until it is the turn of a request. @throws OVERLOADED */
  async take(): Promise<void> {
    this.check();
    if (this.#taken === 0) setImmediate(this.#next);
    if (this.#taken < readsPerTurnMax) {
      this.#taken++;
      return;
    }
    const since = performance.now();
    if (this.#waiting.length === 0) this.#waitingSince = since;
    await new Promise<void>((begin) => this.#waiting.push({ since, begin }));
  }

  /** Begins a turn. */
  readonly #next = (): void => {
    const ready = this.#waiting.splice(0, readsPerTurnMax);
    this.#taken = ready.length;
    if (ready.length > 0) setImmediate(this.#next);
    for (const { begin } of ready) begin();
  };
}
