import { retryReserve, retryShareMax } from '../limits.ts';

/** Lets a small share of subrequests be repeats, so that retrying never makes an overload worse. */
export class RetryBudget {
  #tokens = retryReserve;

  /** A first try earns a share of a repeat. */
  earn(): void {
    this.#tokens = Math.min(retryReserve, this.#tokens + retryShareMax);
  }

  /** @returns whether a repeat is within the budget */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
