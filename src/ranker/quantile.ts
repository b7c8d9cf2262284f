/** How much an estimate changes with one value, as a logarithm. A smaller step is more exact, and follows changes later. */
const step = 0.1;

/**
 * Estimates a quantile of positive values as they come, and follows it when it changes. It keeps one number: a value above the
 * estimate raises it, one below lowers it, by steps whose sizes balance where the wanted share of values is below.
 */
export class Quantile {
  readonly #up: number;
  readonly #down: number;
  #value = 0;
  #count = 0;

  /** @param share of the values that are below it, between 0 and 1 */
  constructor(share: number) {
    this.#up = Math.exp(step * share);
    this.#down = Math.exp(-step * (1 - share));
  }

  add(value: number): void {
    if (this.#count === 0) this.#value = value;
    else this.#value *= value > this.#value ? this.#up : this.#down;
    this.#count++;
  }

  /** The values so far. */
  get count(): number {
    return this.#count;
  }

  get value(): number {
    return this.#value;
  }
}
