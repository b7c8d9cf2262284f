import type { BatchLimit } from './batch-limit.ts';
import { BatchTimes } from './batch-times.ts';

interface RunningBatch {
  readonly candidates: number;
  /** `performance.now()` then. */
  readonly began: number;
  readonly done: Promise<void>;
}

/**
 * Batches in progress. They say when another one may begin, and how long a request would take. While each thread of the
 * networks has a batch, only a full one begins, to be looked up beside them. A smaller one would wait for a thread, and until
 * then more requests can join it.
 */
export class RunningBatches {
  readonly #threads: number;
  readonly #limit: BatchLimit;
  readonly #times = new BatchTimes();
  /** In the order in which they began. */
  readonly #batches = new Set<RunningBatch>();

  /** @param threads that run networks @param limit candidates of a full batch */
  constructor(threads: number, limit: BatchLimit) {
    this.#threads = threads;
    this.#limit = limit;
  }

  get size(): number {
    return this.#batches.size;
  }

  /** @param candidates that wait */
  mayBegin(candidates: number): boolean {
    if (this.size < this.#threads) return candidates > 0;
    return this.size === this.#threads && candidates >= this.#limit.now;
  }

  begin(candidates: number, done: Promise<void>, onEnd: () => void): void {
    const batch = { candidates, began: performance.now(), done };
    this.#batches.add(batch);
    this.#limit.began(candidates);
    void done.finally(() => {
      this.#batches.delete(batch);
      this.#limit.ended(candidates);
      onEnd();
    });
  }

  /** A batch was scored. */
  took(candidates: number, ms: number): void {
    this.#times.add(candidates, ms);
  }

  /** Milliseconds until a request is scored with which so many candidates wait. */
  expectedMs(candidates: number): number {
    const full = Math.max(1, this.#limit.now);
    const ahead = Math.ceil(candidates / full) - 1;
    const fullMs = this.#times.of(full);
    // While full batches are ahead of it, others come and fill its own.
    const ownMs = ahead > 0 ? fullMs : this.#times.of(candidates);
    return this.#blockedMs + (ahead * fullMs) / (this.#threads + 1) + ownMs;
  }

  /** Milliseconds until the oldest batch will end, if no other one begins before. */
  get #blockedMs(): number {
    if (this.size < this.#threads) return 0;
    const [oldest] = this.#batches;
    return Math.max(0, oldest.began + this.#times.of(oldest.candidates) - performance.now());
  }

  /** Waits until all have ended. */
  async ended(): Promise<void> {
    await Promise.all([...this.#batches].map(({ done }) => done));
  }
}
