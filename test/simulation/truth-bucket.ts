// How a simulated process reaches the truth: what NATS is in production.
import { natsAttemptMs, natsRequestMs } from '../../src/cluster-limits.ts';
import { FlexemrError } from '../../src/errors.ts';
import type { LeaseKind } from '../../src/plan/cluster-leases.ts';
import type { ReadText } from '../../src/plan/cluster-watch.ts';
import type { ClusterBucket } from '../../src/plan/kept-cluster.ts';
import type { KeptLease } from '../../src/plan/known-leases.ts';
import type { LeaseEntry } from '../../src/plan/lease.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { Truth } from './truth.ts';

type Answer<T> = { readonly value: T } | { readonly error: unknown };

export class TruthBucket implements ClusterBucket {
  readonly shown = 'simulated';
  readonly #truth: Truth;
  readonly #party: Processor;
  #closed = false;

  /** @param party the thread that asks */
  constructor(truth: Truth, party: Processor) {
    this.#truth = truth;
    this.#party = party;
  }

  /** Asks again and again, for some time. What was asked may be done, although nobody answers. */
  async #ask<T>(act: () => T): Promise<T> {
    for (const end = performance.now() + natsRequestMs; ; ) {
      if (this.#closed) throw new FlexemrError('RELEASED', 'closed');
      const answer = await this.#attempt(act);
      if (answer !== undefined && 'value' in answer) return answer.value;
      if (answer !== undefined) throw answer.error;
      if (performance.now() >= end) throw new FlexemrError('UNAVAILABLE', 'nobody answers for the cluster');
    }
  }

  #attempt<T>(act: () => T): Promise<Answer<T> | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), natsAttemptMs);
      const done = (answer: Answer<T>): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.#truth.ask<Answer<T>>(this.#party, () => answerOf(act), done);
    });
  }

  async bytesMax(): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  read(): Promise<ReadText | undefined> {
    return this.#ask(() => this.#truth.entry);
  }

  state(): Promise<{ readonly text: string; readonly last: number }> {
    return this.#ask(() => this.#truth.state);
  }

  compareAndSet(text: string, last: number): Promise<string> {
    const id = this.#truth.newWriter();
    return this.#ask(() => this.#truth.compareAndSet(this.#party, id, text, last));
  }

  async ensure(): Promise<void> {
    throw new Error('the simulation begins with a cluster');
  }

  listen(onRing: () => void): () => void {
    return this.#truth.listen(this.#party, onRing);
  }

  leases(): Promise<readonly KeptLease[]> {
    return this.#ask(() => this.#truth.readLeases(this.#party));
  }

  lease(kind: LeaseKind, id: string): LeaseEntry {
    return {
      put: (value) => {
        const writer = this.#truth.newWriter();
        const text = JSON.stringify(value);
        return this.#ask(() => this.#truth.putLease(this.#party, kind, id, text, writer));
      },
      delete: () => this.#ask(() => this.#truth.deleteLease(kind, id)),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

function answerOf<T>(act: () => T): Answer<T> {
  try {
    return { value: act() };
  } catch (error) {
    return { error };
  }
}
