import { engineSpinUsMax, engineSpinUsMin } from '../engine-limits.ts';

/**
 * How long a thread looks for work before it sleeps. To wake it takes as long as to look for a moment, so that is worth it if work comes
 * soon. Whether it does is learned from what has come before.
 */
export class Patience {
  #us = 0;

  get ms(): number {
    return this.#us / 1000;
  }

  /** Work has come so many milliseconds after the work before it. */
  learn(ms: number): void {
    if (ms * 1000 <= engineSpinUsMax)
      this.#us = Math.min(engineSpinUsMax, Math.max(engineSpinUsMin, this.#us * 2));
    else this.#us = this.#us / 2 < engineSpinUsMin ? 0 : this.#us / 2;
  }
}
