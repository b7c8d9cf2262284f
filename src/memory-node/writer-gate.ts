import { gateWriterMsMax } from '../update-limits.ts';
import {
  clearWriter,
  type GateMemory,
  inside,
  keptOf,
  roundsOf,
  stateOf,
  waiting,
  wanted,
  workersOf,
} from './write-gate.ts';

/** Answers that had read rows at some moment, and were to read more of them. A number for each worker; undefined: it had none. */
export type KeptRows = readonly (number | undefined)[];

/** Lets a thread write rows while no other thread reads them. */
export interface WriterGate {
  /** @returns what `write` returns; or undefined, without calling it, if workers do not leave their calls for too long */
  write<T>(write: () => T): T | undefined;
  /** The answers that know where rows are. Only exact inside of `write`. */
  readonly kept: KeptRows;
  /** Whether none of these answers reads rows any more. */
  isForgotten(kept: KeptRows): boolean;
}

/** A gate that says for how long it was held. */
export interface MeasuredGate extends WriterGate {
  /** µs for which nobody could read rows, in total. */
  readonly heldUs: number;
}

/** The gate of a node, as the only thread passes it that writes rows. */
export class RowsWriterGate implements MeasuredGate {
  readonly #words: GateMemory;
  readonly #workers: number[];
  heldUs = 0;

  constructor(words: GateMemory) {
    this.#words = words;
    this.#workers = Array.from({ length: workersOf(words) }, (_, worker) => worker);
  }

  write<T>(write: () => T): T | undefined {
    // Whoever has waited for the write before goes first, so that writes without a pause do not keep anybody waiting for ever.
    if (!this.#wait(waiting)) return undefined;
    const began = performance.now();
    Atomics.store(this.#words, wanted, 1);
    try {
      return this.#wait(inside) ? write() : undefined;
    } finally {
      clearWriter(this.#words);
      this.heldUs += (performance.now() - began) * 1000;
    }
  }

  /** Waits until no worker is in a state. @returns false if that takes too long */
  #wait(state: number): boolean {
    const until = performance.now() + gateWriterMsMax;
    for (const worker of this.#workers) {
      const word = stateOf(worker);
      while (Atomics.load(this.#words, word) === state) {
        const left = until - performance.now();
        if (left <= 0) return false;
        Atomics.wait(this.#words, word, state, left);
      }
    }
    return true;
  }

  get kept(): KeptRows {
    return this.#workers.map((worker) => {
      const rounds = Atomics.load(this.#words, roundsOf(worker));
      return Atomics.load(this.#words, keptOf(worker)) === 0 ? undefined : rounds;
    });
  }

  isForgotten(kept: KeptRows): boolean {
    return kept.every((rounds, worker) => {
      return rounds === undefined || Atomics.load(this.#words, roundsOf(worker)) !== rounds;
    });
  }
}
