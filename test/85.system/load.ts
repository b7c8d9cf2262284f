// Sends several concurrent sequences of lookups. Each lookup must succeed, or fail with an allowed error.
import { FlexemrError, type Lookup } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { checkPooled, checkSame } from './check-pooled.ts';
import { type Asked, nodeIds, resultsOn } from './exact-tables.ts';

/** How late a lookup may end, on a machine that is busy with other work. */
const lateMsMax = 2_000;

/** The errors that a dying memory node can cause. */
const failures = ['UNAVAILABLE', 'NODE_FAILED', 'DEADLINE_EXCEEDED'];

export interface LoadOptions {
  /** The number of lookups in flight. */
  readonly concurrency: number;
  /** The deadline of each lookup. */
  readonly deadlineMs: number;
}

export interface Outcomes {
  readonly right: number;
  readonly failed: number;
  readonly partial: number;
}

export const noOutcomes: Outcomes = { right: 0, failed: 0, partial: 0 };

export function addOutcomes(a: Outcomes, b: Outcomes): Outcomes {
  return { right: a.right + b.right, failed: a.failed + b.failed, partial: a.partial + b.partial };
}

/** Keeps a ranker busy until it is stopped. */
export class Load {
  readonly #ranker: Ranker;
  readonly #asked: readonly Asked[];
  readonly #concurrency: number;
  readonly #deadlineMs: number;
  #loops: Promise<unknown> = Promise.resolve();
  #resting = true;
  #outcomes = noOutcomes;
  /** The nodes that are allowed to fail now. */
  readonly mayFail = new Set<string>();

  constructor(ranker: Ranker, asked: readonly Asked[], { concurrency, deadlineMs }: LoadOptions) {
    this.#ranker = ranker;
    this.#asked = asked;
    this.#concurrency = concurrency;
    this.#deadlineMs = deadlineMs;
  }

  start(): void {
    this.#resting = false;
    const loops = Array.from({ length: this.#concurrency }, (_, i) => this.#loop(i));
    this.#loops = Promise.all(loops);
    // rest() throws the error.
    this.#loops.catch(() => {});
  }

  /** Waits for the lookups in flight, and begins no more. @throws Error if a lookup failed without an allowed reason */
  async rest(): Promise<void> {
    this.#resting = true;
    await this.#loops;
  }

  /** @returns the outcomes since the last call */
  take(): Outcomes {
    const taken = this.#outcomes;
    this.#outcomes = noOutcomes;
    return taken;
  }

  async #loop(first: number): Promise<void> {
    for (let i = first; !this.#resting; i++) {
      const asked = this.#asked[i % this.#asked.length];
      // Lookups may fail because of a node only if they are in flight when it dies, or begin while it is dead.
      const excused = new Set(this.mayFail);
      const started = performance.now();
      const ended = i % 2 === 0 ? await this.#whole(asked) : await this.#partial(asked);
      const ms = performance.now() - started;
      if (ms > this.#deadlineMs + lateMsMax) throw new Error(`a lookup took ${ms.toFixed(0)} ms`);
      for (const node of this.mayFail) excused.add(node);
      for (const error of ended) checkError(error, excused);
      // If lookups fail at once, timers must get their turn too.
      await new Promise((done) => setImmediate(done));
    }
  }

  #count(outcome: keyof Outcomes): void {
    this.#outcomes = { ...this.#outcomes, [outcome]: this.#outcomes[outcome] + 1 };
  }

  async #whole({ bags, expected }: Asked): Promise<readonly unknown[]> {
    try {
      const lookup = await this.#ranker.lookup(bags, { deadline: this.#deadlineMs });
      checkAll(lookup, expected);
      this.#count('right');
      return [];
    } catch (error) {
      this.#count('failed');
      return [error];
    }
  }

  async #partial({ bags, expected }: Asked): Promise<readonly unknown[]> {
    const lookup = await this.#ranker.lookup(bags, { deadline: this.#deadlineMs, onFailure: 'partial' });
    if (lookup.failures.length === 0) {
      checkAll(lookup, expected);
      this.#count('right');
      return [];
    }
    if (lookup.failures.some(({ node }) => node === undefined)) return lookup.failures;
    const gone = new Set(lookup.failures.map(({ node }) => node));
    for (const [name, wanted] of expected) {
      const on = nodeIds.filter((id) => gone.has(id)).flatMap((id) => resultsOn(id, name, bags));
      const incomplete = Uint32Array.from(new Set(on)).sort();
      const got = lookup.get(name);
      checkPooled(name, got, wanted, incomplete);
      checkSame(name, 'incomplete', got?.incomplete ?? [], incomplete);
    }
    this.#count('partial');
    return lookup.failures;
  }
}

function checkError(error: unknown, excused: ReadonlySet<string>): void {
  const known = error instanceof FlexemrError && failures.includes(error.code);
  if (known && error.node !== undefined && excused.has(error.node)) return;
  throw new Error(`a lookup failed without an allowed reason: ${String(error)}`, { cause: error });
}

function checkAll(lookup: Lookup, expected: Lookup): void {
  if (lookup.size !== expected.size)
    throw new Error(`the lookup has ${lookup.size} features, not ${expected.size}`);
  for (const [name, pooled] of expected) checkPooled(name, lookup.get(name), pooled);
}
