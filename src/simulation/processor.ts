import type { Pauses, PauseTimes } from './pauses.ts';

/** Time that a thread takes for what every program does that waits for a network. */
export interface ThreadCosts {
  /** From an event until a thread runs that has waited for it. */
  readonly wakeMs: number;
  /** Reading what has arrived on one connection. */
  readonly readMs: number;
  /** Writing to one connection. */
  readonly writeMs: number;
  /** After it has written: until it can read again. */
  readonly restMs: number;
  /** Of the garbage collector. */
  readonly pauses: PauseTimes;
  /** From one turn of the event loop to the next. Default: none. */
  readonly turnMs?: number | undefined;
}

const noCosts: ThreadCosts = { wakeMs: 0, readMs: 0, writeMs: 0, restMs: 0, pauses: { everyMs: 0, ms: 0 } };

/** The network card of a machine: what it has sent and received, and until when it does so. */
export class Nic {
  sendsUntil = 0;
  receivesUntil = 0;
  bytesSent = 0;
  bytesReceived = 0;
}

/** The cores of a machine, if it has fewer than threads. A thread that is woken waits for one. */
export class Cores {
  /** When each of them is free. */
  readonly #until: number[];

  constructor(cores: number) {
    this.#until = Array.from({ length: cores }, () => 0);
  }

  /** When one is free. */
  get freeAt(): number {
    return Math.min(...this.#until);
  }

  /** A thread takes one until then. */
  take(until: number): void {
    this.#until[this.#until.indexOf(this.freeAt)] = until;
  }
}

/** How a clock goes, compared with the time of the simulation. */
export interface LocalClock {
  readonly aheadMs: number;
  /** Its milliseconds in one of the simulation. */
  readonly rate: number;
}

/** A thread of a simulated process. It does one thing at a time; what happens meanwhile waits. */
export class Processor {
  readonly name: string;
  readonly costs: ThreadCosts;
  readonly nic: Nic;
  /** Undefined: it has a core of its own. */
  readonly cores: Cores | undefined;
  /** When it has done what it does. */
  freeAt = 0;
  /** Time that it has worked. */
  busyMs = 0;
  readonly waiting: (() => void)[] = [];
  /** Whether an event will let it take the next of `waiting`. */
  isCalled = false;
  /** Of its garbage collector. Undefined: it has not worked yet, or there are none. */
  pauses: Pauses | undefined;
  /** Timers of the thread that have been set and not cleared. */
  timers = 0;
  /** Of its machine. */
  clock: LocalClock = { aheadMs: 0, rate: 1 };
  /** It has ended, with all that it had still to do. */
  dead = false;

  constructor(name: string, costs: ThreadCosts = noCosts, nic: Nic = new Nic(), cores?: Cores) {
    this.name = name;
    this.costs = costs;
    this.nic = nic;
    this.cores = cores;
  }

  /** It does nothing until then. */
  stall(until: number): void {
    this.freeAt = Math.max(this.freeAt, until);
  }
}
