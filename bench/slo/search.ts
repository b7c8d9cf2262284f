// Finds the highest rate that a service can keep.

/** A range of rates: `low` was kept, `high` was not. */
export interface Bracket {
  readonly low: number;
  readonly high: number;
}

/** Halves a range, again and again, until its ends are close. Rates are compared by their ratio. */
export class Bisection {
  #low = 0;
  #high: number;
  readonly #bottom: number;
  readonly #closeRatio: number;

  /** @param bracket whose ends may be wrong by then: the lower one is only where to look from */
  constructor({ low, high }: Bracket, closeRatio: number) {
    this.#bottom = low;
    this.#high = high;
    this.#closeRatio = closeRatio;
  }

  /** The next rate to try; undefined: it is found. */
  get next(): number | undefined {
    const low = this.#low || this.#bottom;
    return this.#high / low <= this.#closeRatio ? undefined : Math.sqrt(low * this.#high);
  }

  tell(rate: number, kept: boolean): void {
    if (kept) this.#low = rate;
    else this.#high = rate;
  }

  /** The highest rate that was kept; 0: none was. */
  get found(): number {
    return this.#low;
  }
}
