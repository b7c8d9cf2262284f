// Lookups of one ranker, and what must be true of each of them.
import { getEventListeners } from 'node:events';
import { FlexemrError } from '../../src/errors.ts';
import type { Lookup } from '../../src/lookup/pooled.ts';
import type { LookupOptions } from '../../src/ranker/lookup-options.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { difference, type SimulatedRequest } from './requests.ts';
import { creditsBreak, type Troubles } from './troubles.ts';

export interface SimulatedRanker {
  readonly ranker: Ranker;
  /** The thread of the ranker. */
  readonly processor: Processor;
}

export interface LoadOptions {
  /** The nodes that hold each shard of these tables, or have held it. */
  readonly setsOf: (tables: ReadonlySet<string>) => readonly ReadonlySet<string>[];
  /** The routing table that the ranker knows at least, as a number. */
  readonly known: () => number;
  /** The cuts (cutOf) of a table in this routing table and in later ones. */
  readonly cutsOf: (table: string, known: number) => Iterable<string>;
  /** A lookup with a longer deadline is answered if there is no fault. */
  readonly patienceMs: number;
  /** There are so few subrequests in flight that all of them may be tried again. */
  readonly retriesAll: boolean;
  /** How long after its deadline a lookup may end that began then. Default: not at all. */
  readonly lateMsMax?: ((begun: number) => number) | undefined;
  /** A thread of the ranker has died since then, and lookups that it had have failed. */
  readonly hasDied?: ((since: number) => boolean) | undefined;
}

export interface Given extends Pick<LookupOptions, 'onFailure'> {
  readonly deadline: number;
  /** When its caller cancels it. */
  readonly abortMs?: number | undefined;
  /** How long its results are used. */
  readonly keptMs?: number | undefined;
  /** Nothing explains a failure. */
  readonly strict?: boolean | undefined;
}

/** A deadline that leaves time to try again. */
const retriedMsMin = 5_000;

/** A deadline that leaves time to find out that a node is gone, and to ask another one. */
const movedMsMin = 5_000;

/** A deadline that leaves time to send credits again. */
const creditsMsMin = 1_000;

/** The errors of nodes that are at fault. */
const codesOfFaults: readonly string[] = ['UNAVAILABLE', 'OVERLOADED', 'DEADLINE_EXCEEDED', 'STALE_ROUTING'];

export class Load {
  readonly #world: World;
  readonly #ranker: Ranker;
  /** The thread of the ranker. */
  readonly #processor: Processor;
  readonly #troubles: Troubles;
  readonly #options: LoadOptions;
  #begun = 0;
  #ended = 0;
  #answered = 0;
  closing = false;

  constructor(world: World, ranker: SimulatedRanker, troubles: Troubles, options: LoadOptions) {
    this.#world = world;
    this.#ranker = ranker.ranker;
    this.#processor = ranker.processor;
    this.#troubles = troubles;
    this.#options = options;
  }

  get counts(): { readonly begun: number; readonly ended: number; readonly answered: number } {
    return { begun: this.#begun, ended: this.#ended, answered: this.#answered };
  }

  /** Looks up, and checks how it ends. @returns once its results are no longer used */
  async lookUp(request: SimulatedRequest, given: Given): Promise<void> {
    const number = ++this.#begun;
    const { history, now: begun } = this.#world;
    const { deadline, onFailure = 'error', abortMs, keptMs = 0 } = given;
    history.add(
      `${this.#processor.name}: lookup ${number} begins: ${[...request.tables]}, ${deadline} ms, ${onFailure}${abortMs === undefined ? '' : `, cancelled after ${abortMs} ms`}`,
    );
    const abort = new AbortController();
    const cancel = abortMs === undefined ? undefined : this.#world.at(begun + abortMs, () => abort.abort());
    const endsBy = begun + Math.min(deadline, abortMs ?? deadline);
    const known = this.#options.known();
    const end = { number, request, given, begun, known, aborted: () => abort.signal.aborted };
    let lookup: Lookup | undefined;
    try {
      // A ranker with engines waits for a lookup in another way if it cannot be cancelled.
      const isPlain = this.#options.lateMsMax !== undefined && abortMs === undefined && number % 2 === 0;
      const options = { deadline, onFailure, signal: isPlain ? undefined : abort.signal };
      lookup = await this.#world.in(this.#processor, () => this.#ranker.lookup(request.bags, options));
    } catch (error) {
      this.#failed(end, error);
    }
    cancel?.();
    this.#ended++;
    if (getEventListeners(abort.signal, 'abort').length > 0)
      throw new Error(`lookup ${number} still listens to the signal of its caller`);
    const late = this.#options.lateMsMax?.(begun) ?? 0;
    if (this.#world.now > endsBy + late)
      throw new Error(`lookup ${number} ended ${this.#world.now - endsBy} ms after it had to`);
    if (lookup === undefined) return;
    this.#answered++;
    history.add(
      `${this.#processor.name}: lookup ${number} is answered, ${lookup.failures.map(({ code }) => code)}`,
    );
    this.#check(end, lookup);
    if (keptMs > 0) {
      await this.#world.sleep(keptMs);
      // Nothing that has happened since may have changed them.
      this.#check(end, lookup);
    }
    lookup[Symbol.dispose]();
  }

  #failed(end: End, error: unknown): void {
    this.#world.history.add(`${this.#processor.name}: lookup ${end.number} fails: ${error}`);
    if (!(error instanceof FlexemrError)) throw error;
    if (error.code === 'CANCELLED' && end.aborted()) return;
    if (error.code === 'RELEASED' && this.closing) return;
    this.#explain(end, error);
  }

  /** @throws if no fault explains the error */
  #explain({ number, request, given, begun }: End, error: FlexemrError): void {
    const { setsOf, patienceMs, retriesAll } = this.#options;
    const { deadline, strict = false } = given;
    const sets = setsOf(request.tables).filter((set) => error.node === undefined || set.has(error.node));
    const { now } = this.#world;
    const unexplained = new Error(`nothing explains how lookup ${number} fails: ${error}`, { cause: error });
    if (error.code === 'WORKER_FAILED' && !strict && this.#options.hasDied?.(begun)) return;
    if (!codesOfFaults.includes(error.code) || strict) throw unexplained;
    if (error.code === 'DEADLINE_EXCEEDED' && deadline < patienceMs) return;
    // When all nodes have another routing table, the ranker can read it, and tries again.
    if (error.code === 'STALE_ROUTING' && !this.#troubles.during('rollout', begun)) throw unexplained;
    // Credits are sent again in time, but a stream that has none any more ends.
    const isLate = error.code === 'DEADLINE_EXCEEDED' && deadline >= creditsMsMin;
    const except = isLate ? creditsBreak : undefined;
    const isAtFault = (node: string): boolean => this.#troubles.explain(new Set([node]), begun, now, except);
    // A node that says nothing is left in time by those that have the time.
    const isHasty = error.code === 'DEADLINE_EXCEEDED' && deadline < movedMsMin;
    const explains = (set: ReadonlySet<string>): boolean =>
      isHasty ? [...set].some(isAtFault) : [...set].every(isAtFault);
    if (!sets.some(explains)) throw unexplained;
    // What one broken connection has lost is tried again, if there are not too many subrequests to try all of them again.
    if (retriesAll && deadline >= retriedMsMin && this.#troubles.isOnly('break')) throw unexplained;
  }

  #check(end: End, lookup: Lookup): void {
    const { number, request, given } = end;
    if (lookup.failures.length > 0 && given.onFailure !== 'partial')
      throw new Error(`lookup ${number} is partial, but its caller did not allow that`);
    for (const error of lookup.failures) this.#explain(end, error);
    let incomplete = 0;
    for (const [feature, { bags, expected }] of request.features) {
      const found = lookup.get(feature);
      if (found === undefined) throw new Error(`lookup ${number} has no feature ${feature}`);
      incomplete += found.incomplete.length;
      const cuts = [...new Set(this.#options.cutsOf(bags.table, end.known))];
      const wrong = cuts.map((cut) => difference(expected(cut), found));
      if (!wrong.includes(undefined)) throw new Error(`lookup ${number}, ${feature}: ${wrong[0]} is wrong`);
    }
    if (incomplete > 0 !== lookup.failures.length > 0)
      throw new Error(`lookup ${number}: ${lookup.failures.length} failures, ${incomplete} incomplete bags`);
  }
}

interface End {
  readonly number: number;
  readonly request: SimulatedRequest;
  readonly given: Given;
  readonly begun: number;
  readonly known: number;
  readonly aborted: () => boolean;
}

/** What a lookup is given. */
export function givenOf(dice: Dice): Given {
  const deadline = dice.pick([3, 30, 300, 1_000, 5_000]);
  return {
    deadline,
    onFailure: dice.pick(['error', 'partial']),
    abortMs: dice.chance(0.15) ? dice.between(0, Math.min(deadline, 100)) : undefined,
    keptMs: dice.pick([0, 0, 20, 500]),
  };
}
