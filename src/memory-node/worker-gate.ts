import { gateWorkerMsMax } from '../update-limits.ts';
import type { RowsGate } from './rows-gate.ts';
import {
  type GateMemory,
  inside,
  keptOf,
  outside,
  roundsOf,
  stateOf,
  waiting,
  wanted,
} from './write-gate.ts';

/** The gate, as one worker passes it: around each kernel call that reads rows. */
export class WorkerGate implements RowsGate {
  readonly #words: GateMemory;
  readonly #worker: number;
  readonly #state: number;

  constructor(words: GateMemory, worker: number) {
    this.#words = words;
    this.#worker = worker;
    this.#state = stateOf(worker);
  }

  enter(): boolean {
    Atomics.store(this.#words, this.#state, inside);
    return Atomics.load(this.#words, wanted) === 0 || this.#enterLater();
  }

  #enterLater(): boolean {
    const until = performance.now() + gateWorkerMsMax;
    for (;;) {
      this.#set(waiting);
      const left = until - performance.now();
      if (left <= 0 || Atomics.wait(this.#words, wanted, 1, left) === 'timed-out') break;
      this.#set(inside);
      if (Atomics.load(this.#words, wanted) === 0) return true;
    }
    this.#set(outside);
    return false;
  }

  /** Tells the writer, which may wait for it. */
  #set(state: number): void {
    Atomics.store(this.#words, this.#state, state);
    Atomics.notify(this.#words, this.#state);
  }

  leave(): void {
    Atomics.store(this.#words, this.#state, outside);
    if (Atomics.load(this.#words, wanted) !== 0) Atomics.notify(this.#words, this.#state);
  }

  keep(): void {
    Atomics.add(this.#words, keptOf(this.#worker), 1);
  }

  forget(): void {
    if (Atomics.sub(this.#words, keptOf(this.#worker), 1) === 1)
      Atomics.add(this.#words, roundsOf(this.#worker), 1);
  }
}
