// The clock and the randomness of a simulation, in place of those of this process.
import FakeTimers from '@sinonjs/fake-timers';
import { Dice } from './dice.ts';
import { History } from './history.ts';

const realTurn = globalThis.setImmediate;

/** A simulation that has not ended by then never will. */
const simulatedMsMax = 600_000;

/**
 * While it exists, timers, immediates, `performance.now`, `Date`, `Math.random` and `crypto.getRandomValues` are those of
 * the simulation. Promises and `process.nextTick` stay as they are: their order depends on nothing else.
 */
export class World implements Disposable {
  readonly dice: Dice;
  readonly history: History = new History(() => `${this.now} ms, step ${this.#steps}`);
  readonly #clock = FakeTimers.install({
    now: 0,
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });
  readonly #random = Math.random;
  readonly #setImmediate = globalThis.setImmediate;
  readonly #turns: (() => void)[] = [];
  readonly #onError = (error: unknown): void => {
    this.#error ??= { error };
  };
  /** Timers and immediates that have run. */
  #steps = 0;
  #error: { readonly error: unknown } | undefined;

  constructor(seed: number) {
    this.dice = new Dice(seed);
    const dice = this.dice.fork();
    Math.random = () => dice.share();
    crypto.getRandomValues = (array) => {
      const words = array as unknown as Uint32Array;
      for (let i = 0; i < words.length; i++) words[i] = dice.u32();
      return array;
    };
    // An immediate takes no time on the clock. All of them run before the next timer.
    globalThis.setImmediate = ((then: (...given: unknown[]) => void, ...given: unknown[]) =>
      void this.#turns.push(() => then(...given))) as unknown as typeof setImmediate;
    process.on('unhandledRejection', this.#onError);
    process.on('uncaughtException', this.#onError);
  }

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#clock.now;
  }

  /** Notes a failure. `run` throws the first one. */
  fail(error: Error): void {
    this.#onError(error);
  }

  /** Lets time pass until `promise` settles. @throws the first error that nobody has handled */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    for (;;) {
      // All promises and ticks come before the next turn of the event loop.
      await new Promise(realTurn);
      if (this.#error) throw this.#error.error;
      if (settled) return await promise;
      this.#steps++;
      const turn = this.#turns.shift();
      if (turn) turn();
      else this.#clock.next();
      if (this.now > simulatedMsMax) throw new Error('the simulation does not end');
    }
  }

  get steps(): number {
    return this.#steps;
  }

  /** Timers that have been set and not cleared. */
  get timers(): number {
    return this.#clock.countTimers();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((done) => void setTimeout(done, ms));
  }

  [Symbol.dispose](): void {
    process.off('unhandledRejection', this.#onError);
    process.off('uncaughtException', this.#onError);
    globalThis.setImmediate = this.#setImmediate;
    Math.random = this.#random;
    Reflect.deleteProperty(crypto, 'getRandomValues');
    this.#clock.uninstall();
  }
}
