import type { Dice } from './dice.ts';

export interface PauseTimes {
  /** Work from one pause to the next. 0: there are none. */
  readonly everyMs: number;
  readonly ms: number;
}

/**
 * The pauses that the garbage collector makes in one thread. It stops the thread whenever its work has filled a part of memory. How
 * much work that takes differs a little. How long a pause is differs more: most are short, and few are several times as long as the
 * mean.
 */
export class Pauses {
  readonly #of: PauseTimes;
  readonly #dice: Dice;
  #leftMs: number;

  constructor(of: PauseTimes, dice: Dice) {
    this.#of = of;
    this.#dice = dice;
    // At the begin, memory is filled to some part.
    this.#leftMs = dice.share() * of.everyMs;
  }

  /** @returns how long the thread stops after some work */
  after(workMs: number): number {
    const { everyMs, ms } = this.#of;
    let stopMs = 0;
    this.#leftMs -= workMs;
    while (this.#leftMs <= 0 && everyMs > 0) {
      this.#leftMs += everyMs * (0.5 + this.#dice.share());
      stopMs += this.#dice.interval(ms);
    }
    return stopMs;
  }
}
