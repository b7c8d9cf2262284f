import { forgetMsMax } from './settings.ts';

/** A list of all rows that may be read, and how it is written (`ReadableRows`). */
export interface RowsList {
  readonly number: number;
  readonly line: string;
}

/** What one ranker knows of the rows that it may read. */
export class KnownRows {
  readonly #onLate: () => void;
  /** Undefined if the ranker takes no lists. */
  #say: ((line: string) => void) | undefined;
  /** The list that it was told and has not confirmed, and the newest one, which it is told next. */
  #told: number | undefined;
  #next: RowsList | undefined;
  #timer: NodeJS.Timeout | undefined;
  #onKnown: (() => void)[] = [];

  /** @param onLate it has not confirmed a list in time */
  constructor(onLate: () => void) {
    this.#onLate = onLate;
  }

  /** It takes lists. */
  follow(say: (line: string) => void): void {
    this.#say = say;
  }

  /** @returns once the ranker reads no rows any more that are not in the list; or is not connected, or takes no lists */
  async tell(list: RowsList): Promise<void> {
    if (this.#say === undefined) return;
    this.#next = list;
    const known = new Promise<void>((resolve) => this.#onKnown.push(resolve));
    this.#tellNext();
    await known;
  }

  /** One list at a time: each confirmation takes a receive entry, and a ranker that does not read must not fill the memory. */
  #tellNext(): void {
    if (this.#told !== undefined || this.#next === undefined) return;
    this.#told = this.#next.number;
    this.#say?.(this.#next.line);
    this.#next = undefined;
    this.#timer = setTimeout(this.#onLate, forgetMsMax).unref();
  }

  /** The ranker has confirmed a list. @returns false if it was not told that list */
  confirm(number: number): boolean {
    if (number !== this.#told) return false;
    this.#told = undefined;
    clearTimeout(this.#timer);
    this.#tellNext();
    if (this.#told === undefined) this.#resolve();
    return true;
  }

  /** The connection has ended. */
  close(): void {
    clearTimeout(this.#timer);
    this.#say = undefined;
    this.#resolve();
  }

  #resolve(): void {
    for (const resolve of this.#onKnown) resolve();
    this.#onKnown = [];
  }
}
