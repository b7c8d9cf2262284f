// The gate between the workers of a simulated node and the thread that writes rows. All of them are in one thread, so it is free,
// but for times when workers read rows for too long.
import type { RowsGate } from '../../src/memory-node/rows-gate.ts';
import type { KeptRows, MeasuredGate } from '../../src/memory-node/writer-gate.ts';

class GatedWorker implements RowsGate {
  keeps = 0;
  rounds = 0;

  enter(): boolean {
    return true;
  }

  leave(): void {}

  keep(): void {
    this.keeps++;
  }

  forget(): void {
    if (--this.keeps === 0) this.rounds++;
  }
}

export class SimulatedGate implements MeasuredGate {
  readonly heldUs = 0;
  readonly workers: readonly GatedWorker[];
  readonly #isBusy: () => boolean;

  /** @param isBusy whether workers read rows for too long now */
  constructor(workers: number, isBusy: () => boolean) {
    this.workers = Array.from({ length: workers }, () => new GatedWorker());
    this.#isBusy = isBusy;
  }

  write<T>(write: () => T): T | undefined {
    return this.#isBusy() ? undefined : write();
  }

  get kept(): KeptRows {
    return this.workers.map(({ keeps, rounds }) => (keeps === 0 ? undefined : rounds));
  }

  isForgotten(kept: KeptRows): boolean {
    return kept.every((rounds, worker) => rounds === undefined || this.workers[worker].rounds !== rounds);
  }
}
