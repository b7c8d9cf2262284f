/** Values that were counted, by their size. */
export interface Distribution {
  /** The number of values up to each bound but above the one before, and last the number of values above all bounds. */
  readonly counts: readonly number[];
  /** The sum of all values. */
  readonly sum: number;
}

/** Counts values by their size. To add a value costs some comparisons and two additions. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds increasing; small values should be the frequent ones, because they are compared first */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    let bucket = 0;
    while (value > this.#bounds[bucket]) bucket++;
    this.#counts[bucket]++;
    this.#sum += value;
  }

  get distribution(): Distribution {
    return { counts: [...this.#counts], sum: this.#sum };
  }
}
