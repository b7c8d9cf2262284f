// Which faults there were, so that an error can be compared with what explains it.

/** How long after a fault its effects may last. */
export const recoveryMsMax = 1_000;

/** What carries credits is lost, again and again. The credits themselves are not. */
export const creditsBreak = 'break credits';

/** A thread of a ranker does nothing for some time, or has ended. */
export const engineStall = 'engine stall';
export const engineDeath = 'engine death';

interface Trouble {
  readonly what: string;
  /** Undefined: every node. */
  readonly node: string | undefined;
  readonly from: number;
  until: number;
}

export class Troubles {
  readonly #own: Trouble[] = [];
  readonly #now: () => number;
  readonly #common: Troubles | undefined;

  /** @param common troubles of all rankers, if these are those of one */
  constructor(now: () => number, common?: Troubles) {
    this.#now = now;
    this.#common = common;
  }

  get #all(): readonly Trouble[] {
    return this.#common === undefined ? this.#own : [...this.#common.#own, ...this.#own];
  }

  /** A fault begins. @returns a function that ends it */
  begin(what: string, node?: string): () => void {
    const trouble = { what, node, from: this.#now(), until: Number.POSITIVE_INFINITY };
    this.#own.push(trouble);
    return () => {
      trouble.until = this.#now();
    };
  }

  /** A fault of a moment. */
  note(what: string, node: string): void {
    const last = this.#own.at(-1);
    if (last?.what === what && last.node === node && last.until === this.#now()) return;
    this.begin(what, node)();
  }

  /** Whether this has happened once, and nothing else. */
  isOnly(what: string): boolean {
    return this.#all.length === 1 && this.#all[0].what === what;
  }

  /** Whether this has gone on at some time since then. */
  during(what: string, since: number): boolean {
    return this.#all.some((trouble) => trouble.what === what && trouble.until >= since);
  }

  /** Whether one of the nodes was at fault in this time, or shortly before. @param except a fault that explains nothing */
  explain(nodes: ReadonlySet<string>, from: number, until: number, except?: string): boolean {
    return this.#all.some(
      (trouble) =>
        trouble.what !== except &&
        (trouble.node === undefined || nodes.has(trouble.node)) &&
        trouble.from <= until &&
        trouble.until + recoveryMsMax >= from,
    );
  }
}
