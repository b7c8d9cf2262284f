/** Limits further attempts to a share of subrequests, so that they never make an overload worse. */
export class AttemptBudget {
  readonly #share: number;
  readonly #reserve: number;
  #tokens: number;

  /** @param share of a further attempt that each subrequest allows @param reserve most further attempts that are saved up */
  constructor(share: number, reserve: number) {
    this.#share = share;
    this.#reserve = reserve;
    this.#tokens = reserve;
  }

  /** Each subrequest adds its share of a further attempt to the budget. */
  earn(): void {
    this.#tokens = Math.min(this.#reserve, this.#tokens + this.#share);
  }

  /** Takes one attempt from the budget. @returns false if the budget is used up */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
