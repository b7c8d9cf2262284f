import { hedgeSlackMs } from '../replica-limits.ts';
import { turn } from './deadline.ts';

/** Something that is late if it has not ended by then. The clock uses the fields. */
export abstract class Timed {
  /** By `performance.now()`. */
  dueAt = 0;
  isTimed = false;
  before: Timed | undefined = undefined;
  after: Timed | undefined = undefined;

  /** It is late. The clock has forgotten it. */
  abstract late(): void;
}

/**
 * Tells the subrequests of a ranker that they are late: when another one ends, or else by one timer for all. It is set for the one
 * that is due first, and stays set if that one ends before. Nearly all do, so to set a timer for each would cost more than to look
 * at all that are under way now and then.
 */
export class LateClock {
  #first: Timed | undefined;
  #last: Timed | undefined;
  /** None is due before. */
  #dueFrom = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer goes off. */
  #setFor = Number.POSITIVE_INFINITY;
  /** Some are due, and will be told in the next turn. */
  #telling = false;

  /** @param ms until it is late */
  add(timed: Timed, now: number, ms: number): void {
    timed.dueAt = now + ms;
    timed.isTimed = true;
    timed.before = this.#last;
    if (this.#last === undefined) this.#first = timed;
    else this.#last.after = timed;
    this.#last = timed;
    this.#expect(timed.dueAt, now);
  }

  /** It has ended. */
  remove(timed: Timed): void {
    if (!timed.isTimed) return;
    const { before, after } = timed;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    timed.isTimed = false;
    timed.before = undefined;
    timed.after = undefined;
  }

  /** Something has ended. */
  heard(now: number): void {
    if (now >= this.#dueFrom) this.#look(now);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #expect(dueAt: number, now: number): void {
    this.#dueFrom = Math.min(this.#dueFrom, dueAt);
    const at = dueAt + hedgeSlackMs;
    if (at >= this.#setFor) return;
    clearTimeout(this.#timer);
    this.#setFor = at;
    this.#timer = setTimeout(this.#passed, Math.ceil(at - now));
    // Browsers have none. It need not keep a process alive: what is under way does.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  readonly #passed = (): void => {
    this.#setFor = Number.POSITIVE_INFINITY;
    this.#look(performance.now());
  };

  #look(now: number): void {
    if (this.#due(now).length === 0 || this.#telling) return;
    this.#telling = true;
    // What has arrived may not be read yet. A reply that is only unread is not late.
    void turn().then(() => this.#tell());
  }

  #tell(): void {
    this.#telling = false;
    for (const timed of this.#due(performance.now())) {
      this.remove(timed);
      timed.late();
    }
  }

  /** Those that are due. The others are expected. */
  #due(now: number): readonly Timed[] {
    this.#dueFrom = Number.POSITIVE_INFINITY;
    if (this.#first === undefined) return none;
    const due: Timed[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (let timed: Timed | undefined = this.#first; timed !== undefined; timed = timed.after) {
      if (timed.dueAt <= now) due.push(timed);
      else next = Math.min(next, timed.dueAt);
    }
    if (next < Number.POSITIVE_INFINITY) this.#expect(next, now);
    return due;
  }
}

const none: readonly Timed[] = [];
