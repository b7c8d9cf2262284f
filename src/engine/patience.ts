import { engineSpinUsMin } from '../engine-limits.ts';

/**
 * How long a thread looks for work before it sleeps. To wake it takes as long as to look for a moment, so that is worth it if work comes
 * soon. Whether it does is learned from what has come before.
 */
export class Patience {
  readonly #usMax: number;
  #us = 0;

  /** @param usMax 0: it never looks, and sleeps at once */
  constructor(usMax: number) {
    this.#usMax = usMax;
  }

  get ms(): number {
    return this.#us / 1000;
  }

  /** Work has come so many milliseconds after the work before it. */
  learn(ms: number): void {
    const comesSoon = ms * 1000 <= this.#usMax && this.#usMax > 0;
    if (comesSoon) this.#us = Math.min(this.#usMax, Math.max(engineSpinUsMin, this.#us * 2));
    else this.#us = this.#us / 2 < engineSpinUsMin ? 0 : this.#us / 2;
  }
}
