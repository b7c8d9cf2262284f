import { below, type Random, random } from './random.ts';

/** The randomness of a simulation. Everything that is drawn follows from its seed. */
export class Dice {
  readonly #next: Random;

  constructor(seed: number) {
    this.#next = random(seed);
  }

  u32(): number {
    return this.#next();
  }

  /** A number from 0 to 1, without 1. */
  share(): number {
    return this.#next() / 2 ** 32;
  }

  /** An integer from `least` to `most`. */
  between(least: number, most: number): number {
    return least + below(this.#next, most - least + 1);
  }

  chance(share: number): boolean {
    return this.share() < share;
  }

  pick<T>(list: readonly T[]): T {
    return list[below(this.#next, list.length)];
  }

  /** The time to the next of events that are independent of each other. */
  interval(meanMs: number): number {
    return -Math.log(1 - this.share()) * meanMs;
  }

  /** The same, in whole ms. */
  wait(meanMs: number): number {
    return Math.round(this.interval(meanMs));
  }

  /** Dice whose draws do not change the later draws of these. */
  fork(): Dice {
    return new Dice(this.#next());
  }
}
