/** The plan that the lookups of all engines use. */
export class AgreedPlan {
  readonly #plans: (string | undefined)[];
  readonly #onPlan: (plan: string) => void;
  #told: string | undefined;

  /** @param onPlan is called when all engines use the same plan, and it is another than before */
  constructor(engines: number, onPlan: (plan: string) => void = () => {}) {
    this.#plans = new Array(engines).fill(undefined);
    this.#onPlan = onPlan;
  }

  /** An engine, by its place, uses another plan. */
  uses(place: number, plan: string): void {
    this.#plans[place] = plan;
    if (plan === this.#told || this.#plans.some((other) => other !== plan)) return;
    this.#told = plan;
    this.#onPlan(plan);
  }
}
