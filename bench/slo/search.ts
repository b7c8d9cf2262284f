/** Finds the highest rate that is kept: strides until one rate was kept and another was not, then halves what is between. */
export class Search {
  readonly #from: number;
  readonly #stride: number;
  readonly #closeRatio: number;
  /** The highest rate that was kept, and the lowest one that was not. */
  #low = 0;
  #high = Number.POSITIVE_INFINITY;

  /** @param closeRatio of two rates, at which it ends */
  constructor({ from, stride, closeRatio }: { from: number; stride: number; closeRatio: number }) {
    this.#from = from;
    this.#stride = stride;
    this.#closeRatio = closeRatio;
  }

  /** The next rate to try, in requests per second; undefined: it has ended. */
  get next(): number | undefined {
    const [low, high] = [this.#low, this.#high];
    if (low === 0 && high === Number.POSITIVE_INFINITY) return this.#from;
    if (low === 0) return high <= 1 ? undefined : high / this.#stride;
    if (high === Number.POSITIVE_INFINITY) return low * this.#stride;
    return high / low <= this.#closeRatio ? undefined : Math.sqrt(low * high);
  }

  tell(rate: number, isKept: boolean): void {
    if (isKept) this.#low = rate;
    else this.#high = rate;
  }

  /** 0: no rate was kept. */
  get found(): number {
    return this.#low;
  }
}
