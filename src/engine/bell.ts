const awake = 0;
const asleep = 1;

/** Lets threads know whether another one sleeps, so that they wake it only then: that takes far longer than the rest. */
export class Bell {
  static readonly words: number = 16;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #wake: () => void;
  #ringsSoon = false;

  /**
   * @param words shared memory @param at the word of the bell, which is 0 at the start
   * @param wake makes the thread that sleeps look for work; only its owner needs none
   */
  constructor(words: Int32Array, at: number, wake: () => void = () => {}) {
    this.#words = words;
    this.#at = at;
    this.#wake = wake;
  }

  /** There is work. Call it after the work can be seen. */
  ring(): void {
    if (Atomics.compareExchange(this.#words, this.#at, asleep, awake) === asleep) this.#wake();
  }

  /** Rings at the end of this turn of the event loop, once for all that is done in it. */
  ringSoon(): void {
    if (this.#ringsSoon) return;
    this.#ringsSoon = true;
    setImmediate(() => {
      this.#ringsSoon = false;
      this.ring();
    });
  }

  /**
   * Its owner is going to sleep, and must look for work once more after this call: nobody has rung for work that came
   * before.
   */
  sleep(): void {
    Atomics.store(this.#words, this.#at, asleep);
  }

  /** Its owner is awake, and looks for work. Nobody need wake it. */
  stayAwake(): void {
    Atomics.store(this.#words, this.#at, awake);
  }
}
