/** The share of a new measurement in the averages. The last twenty batches or so count. */
const share = 0.1;

/**
 * Predicts how long a batch takes, from the batches before: a fixed time and a time per candidate, fitted by least squares
 * whose weights decay. Batches of one request alone do not tell how long a full one takes, so both are learned.
 */
export class BatchTimes {
  #count = 0;
  // Averages of the candidates, the milliseconds, the square of the candidates, and their product.
  #n = 0;
  #ms = 0;
  #nn = 0;
  #nms = 0;

  add(candidates: number, ms: number): void {
    // The first measurements count equally.
    const own = Math.max(share, 1 / ++this.#count);
    this.#n += own * (candidates - this.#n);
    this.#ms += own * (ms - this.#ms);
    this.#nn += own * (candidates * candidates - this.#nn);
    this.#nms += own * (candidates * ms - this.#nms);
  }

  /**
   * Milliseconds of a batch of so many candidates; 0 before the first batch. A batch that is more than twice as large as
   * those before is taken for one of twice their size: from small batches, which differ for other reasons, nothing
   * follows for much larger ones, and to expect too much of a batch would refuse what could be served.
   */
  of(candidates: number): number {
    const variance = this.#nn - this.#n * this.#n;
    const covariance = this.#nms - this.#n * this.#ms;
    // If all batches had about the same size, nothing is known of others but that a larger one does not take less time.
    const slope = variance > 0.01 * this.#nn ? covariance / variance : 0;
    // A batch takes no less than nothing for each candidate, and no less than nothing besides.
    const perCandidate = Math.min(Math.max(slope, 0), this.#n === 0 ? 0 : this.#ms / this.#n);
    return this.#ms + perCandidate * (Math.min(candidates, 2 * this.#n) - this.#n);
  }
}
