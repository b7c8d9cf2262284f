// The clock, the timers and the randomness of this process, which a simulation replaces.
import type { Dice } from './dice.ts';
import { SimulatedTimer } from './timer.ts';

/** What programs ask for by these globals. */
export interface Clock {
  readonly now: number;
  /** @returns a function that cancels it */
  after(ms: number, act: () => void): () => void;
  /** Runs `act` when the thread has done what it does now. */
  soon(act: () => void): void;
  /** In which something happens now. */
  readonly thread: Thread;
}

/** A thread, and how many timers it has. */
interface Thread {
  timers: number;
}

type Act = (...given: unknown[]) => void;

/** The least time of a timer in Node.js, which leaves out fractions of a millisecond. */
const timerMsMin = 1;

/**
 * Until it is disposed of, timers, immediates, `performance.now`, `Math.random` and `crypto.getRandomValues` are those of a
 * simulation. Promises and `process.nextTick` stay as they are: their order depends on nothing else.
 */
export class SimulatedGlobals implements Disposable {
  readonly #real = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate };
  readonly #random = Math.random;
  #timers = 0;

  constructor(clock: Clock, dice: Dice) {
    const start = (act: Act, ms: number, given: unknown[], repeats: boolean): SimulatedTimer => {
      const every = Math.trunc(Math.max(ms, timerMsMin));
      const { thread } = clock;
      let isSet = true;
      const end = (): void => {
        if (isSet) this.#count(thread, -1);
        isSet = false;
      };
      const ring = (): void => {
        if (repeats) cancel = clock.after(every, ring);
        else end();
        act(...given);
      };
      let cancel = clock.after(every, ring);
      this.#count(thread, 1);
      return new SimulatedTimer(() => {
        cancel();
        end();
      });
    };
    const clear = (timer: unknown): void => {
      if (timer instanceof SimulatedTimer) timer.clear();
    };
    Object.assign(globalThis, {
      setTimeout: (act: Act, ms = 0, ...given: unknown[]) => start(act, ms, given, false),
      setInterval: (act: Act, ms = 0, ...given: unknown[]) => start(act, ms, given, true),
      clearTimeout: clear,
      clearInterval: clear,
      setImmediate: (act: Act, ...given: unknown[]) => clock.soon(() => act(...given)),
    });
    performance.now = () => clock.now;
    Object.defineProperty(performance, 'timeOrigin', { value: 0, configurable: true });
    Math.random = () => dice.share();
    crypto.getRandomValues = (array) => {
      const words = array as unknown as Uint32Array;
      for (let i = 0; i < words.length; i++) words[i] = dice.u32();
      return array;
    };
  }

  /** Timers that have been set and not cleared. */
  get timers(): number {
    return this.#timers;
  }

  #count(thread: Thread, by: number): void {
    thread.timers += by;
    this.#timers += by;
  }

  /** A thread has ended, and its timers with it. */
  drop(thread: Thread): void {
    this.#count(thread, -thread.timers);
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
    Math.random = this.#random;
    Reflect.deleteProperty(performance, 'now');
    Reflect.deleteProperty(performance, 'timeOrigin');
    Reflect.deleteProperty(crypto, 'getRandomValues');
  }
}
