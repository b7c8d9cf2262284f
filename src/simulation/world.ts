import { simulatedSecondsMax } from '../simulation-limits.ts';
import { Dice } from './dice.ts';
import { EventQueue } from './event-queue.ts';
import { SimulatedGlobals } from './globals.ts';
import { History } from './history.ts';
import { Pauses } from './pauses.ts';
import { Processor } from './processor.ts';

const realTurn = globalThis.setImmediate;

/** A simulation that has not ended by then never will. */
const simulatedMsMax = 2 * simulatedSecondsMax * 1000;

/** Steps in one turn of the real event loop. All promises and ticks come between two of them. */
const stepsPerTurn = 64;

interface Happening {
  readonly processor: Processor;
  /** Undefined: the processor takes what has waited longest. */
  readonly act: (() => void) | undefined;
}

/**
 * The clock of a simulation, and what will happen. Each event happens in a thread of a simulated process (`Processor`). What it
 * does there takes the time that it is charged for (`work`): on the clock of that thread, time passes within an event. Other
 * events of the thread wait until then.
 */
export class World implements Disposable {
  readonly dice: Dice;
  readonly history: History = new History(() => `${this.now} ms, step ${this.#steps}`);
  /** Where everything happens that belongs to no simulated process. Nothing takes time there. */
  readonly outside: Processor = new Processor('outside');
  readonly #queue = new EventQueue<Happening>();
  readonly #globals: SimulatedGlobals;
  readonly #onError = (error: unknown): void => {
    this.#error ??= { error };
  };
  #processor: Processor = this.outside;
  /** When the current event began, the time that it has taken since, and the part of it that was not work. */
  #beganAt = 0;
  #spentMs = 0;
  #wakeMs = 0;
  /** Whether the current event writes to a connection. */
  #writes = false;
  /** Events that have happened. */
  #steps = 0;
  #error: { readonly error: unknown } | undefined;

  constructor(seed: number) {
    this.dice = new Dice(seed);
    const world = this;
    const clock = {
      get now(): number {
        const { aheadMs, rate } = world.processor.clock;
        return aheadMs + world.now * rate;
      },
      after: (ms: number, act: () => void) => this.at(this.now + ms / this.#processor.clock.rate, act),
      soon: (act: () => void) => void this.at(this.now + (this.#processor.costs.turnMs ?? 0), act),
      get thread(): Processor {
        return world.processor;
      },
    };
    this.#globals = new SimulatedGlobals(clock, this.dice.fork());
    process.on('unhandledRejection', this.#onError);
    process.on('uncaughtException', this.#onError);
  }

  /** Checks what must be true whenever all promises have settled. */
  check: () => void = () => {};

  /** Milliseconds since the simulation began, for the thread in which something happens now. */
  get now(): number {
    return this.#beganAt + this.#spentMs;
  }

  /** The thread in which something happens now. */
  get processor(): Processor {
    return this.#processor;
  }

  /** What happens now takes so much longer. */
  work(ms: number): void {
    this.#spentMs += ms;
  }

  /** What happens now writes to a connection. */
  write(): void {
    this.work(this.#processor.costs.writeMs);
    this.#writes = true;
  }

  /** Something will happen. @returns a function that cancels it, if it has not happened yet */
  at(ms: number, act: () => void, processor: Processor = this.#processor): () => void {
    const event = this.#queue.add(ms, { processor, act });
    return () => this.#queue.remove(event);
  }

  /** Does something in a thread, as soon as it can. @returns what it returns */
  in<T>(processor: Processor, act: () => Promise<T> | T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.at(this.now, () => new Promise<T>((done) => done(act())).then(resolve, reject), processor);
    });
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
    const isOver = (): boolean => settled || this.#error !== undefined;
    const step = (): void => {
      if (isOver()) return;
      try {
        this.check();
        this.#step();
      } catch (error) {
        this.#onError(error);
      }
    };
    while (!isOver()) {
      for (let i = 0; i < stepsPerTurn; i++) realTurn(step);
      await new Promise(realTurn);
    }
    if (this.#error) throw this.#error.error;
    return await promise;
  }

  /** The next event happens. Those of threads that are busy are put off. */
  #step(): void {
    this.#endEvent();
    for (;;) {
      const event = this.#queue.next();
      if (event === undefined) throw new Error('nothing will happen any more');
      if (event.at > simulatedMsMax) throw new Error('the simulation does not end');
      const { processor, act } = event.act;
      if (processor.dead) continue;
      if (act === undefined) processor.isCalled = false;
      const isBusy = freeAt(processor) > event.at;
      if (act !== undefined && (isBusy || processor.waiting.length > 0)) processor.waiting.push(act);
      else if (!isBusy) {
        const now = act ?? processor.waiting.shift();
        this.#begin(event.at, processor);
        now?.();
        return;
      }
      this.#call(processor);
    }
  }

  #begin(at: number, processor: Processor): void {
    this.#steps++;
    this.#processor = processor;
    this.#beganAt = at;
    // A thread that has just ended its work looks for more before it waits.
    this.#wakeMs = at > processor.freeAt ? processor.costs.wakeMs : 0;
    this.#spentMs = this.#wakeMs;
  }

  #endEvent(): void {
    const processor = this.#processor;
    if (this.#writes) this.work(processor.costs.restMs);
    this.#writes = false;
    if (processor.costs.pauses.everyMs > 0) this.work(this.#pauseOf(processor));
    processor.freeAt = this.now;
    if (this.#spentMs > this.#wakeMs) processor.cores?.take(this.now);
    processor.busyMs += this.#spentMs - this.#wakeMs;
    [this.#beganAt, this.#spentMs, this.#wakeMs] = [this.now, 0, 0];
    if (processor.waiting.length > 0) this.#call(processor);
  }

  /** How long the garbage collector stops a thread after the current event. */
  #pauseOf(processor: Processor): number {
    processor.pauses ??= new Pauses(processor.costs.pauses, this.dice.fork());
    return processor.pauses.after(this.#spentMs - this.#wakeMs);
  }

  /** The thread takes what waits for it as soon as it is free. */
  #call(processor: Processor): void {
    if (processor.isCalled) return;
    processor.isCalled = true;
    this.#queue.add(freeAt(processor), { processor, act: undefined });
  }

  get steps(): number {
    return this.#steps;
  }

  /** Timers that have been set and not cleared. */
  get timers(): number {
    return this.#globals.timers;
  }

  /** A thread ends at once. Nothing happens in it any more. */
  kill(processor: Processor): void {
    if (processor.dead) return;
    processor.dead = true;
    this.#globals.drop(processor);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((done) => void this.at(this.now + ms, done, this.outside));
  }

  [Symbol.dispose](): void {
    process.off('unhandledRejection', this.#onError);
    process.off('uncaughtException', this.#onError);
    this.#globals[Symbol.dispose]();
  }
}

/** When a thread has done what it does, and a core is free. */
function freeAt(processor: Processor): number {
  return Math.max(processor.freeAt, processor.cores?.freeAt ?? 0);
}
