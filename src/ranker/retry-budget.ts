import { retryReserve, retryShareMax } from '../limits.ts';

/** Limits retries to a small share of subrequests, so that retries never make an overload worse. */
export class RetryBudget {
  #tokens = retryReserve;

  /** Each first attempt adds a fraction of a retry to the budget. */
  earn(): void {
    this.#tokens = Math.min(retryReserve, this.#tokens + retryShareMax);
  }

  /** Takes one retry from the budget. @returns false if the budget is used up */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
