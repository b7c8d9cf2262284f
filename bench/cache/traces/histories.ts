import { below } from '../zipf.ts';

/** How a history begins and grows. */
export interface History {
  readonly atLeast: number;
  readonly atMost: number;
  /** The probability that it has grown at the next visit, and by how many keys at most. */
  readonly grows: number;
  readonly byMost: number;
}

/** What users did. Histories grow at their end, and nothing is dropped at their front. */
export class UserHistories {
  readonly #kinds: readonly History[];
  readonly #next: () => number;
  readonly #key: (kind: History) => number;
  readonly #of: Map<number, number[][]> = new Map();

  constructor(kinds: readonly History[], next: () => number, key: (kind: History) => number) {
    this.#kinds = kinds;
    this.#next = next;
    this.#key = key;
  }

  /** The histories of a user who visits now. */
  visit(user: number): readonly (readonly number[])[] {
    const known = this.#of.get(user);
    if (known === undefined) {
      const begun = this.#kinds.map((kind) => this.#keys(kind, this.#between(kind.atLeast, kind.atMost)));
      this.#of.set(user, begun);
      return begun;
    }
    for (const [i, kind] of this.#kinds.entries())
      if (this.#next() < kind.grows * 2 ** 32)
        known[i].push(...this.#keys(kind, this.#between(1, kind.byMost)));
    return known;
  }

  #between(low: number, high: number): number {
    return low + below(high - low + 1, this.#next);
  }

  #keys(kind: History, count: number): number[] {
    return Array.from({ length: count }, () => this.#key(kind));
  }
}
