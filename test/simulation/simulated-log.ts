// The log of row updates of a simulated cluster, and how processes reach it: what a stream of NATS is in production.
import { natsAttemptMs, natsRequestMs } from '../../src/cluster-limits.ts';
import { FlexemrError } from '../../src/errors.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { readBatch } from '../../src/updates/batch.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../../src/updates/update-log.ts';
import { ChainHistory } from './update-history.ts';

export interface LogPlan {
  readonly delayMsMax: number;
  /** A question may come or be answered very late. */
  readonly lateShare: number;
  readonly lateMsMax: number;
  /** The answer is lost, after the question was done. */
  readonly lostShare: number;
  /** Some answers come from a server that has not heard of the last batches yet. */
  readonly lagShare: number;
  readonly lagMsMax: number;
  /** Share of batches that are taken although they were late. */
  readonly laxShare: number;
}

const laxMs = 100;

interface Message extends LoggedBatch {
  readonly chain: string;
  readonly at: number;
}

interface Listener {
  readonly party: Processor;
  readonly chain: string;
  readonly onAdded: (added?: AddedBatch) => void;
}

export class SimulatedLog {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #plan: LogPlan;
  #messages: Message[] = [];
  /** Batches that it has forgotten, because they were old. */
  #forgotten: Message[] = [];
  #sequence = 0;
  made = 1;
  readonly #chains = new Map<string, ChainHistory>();
  readonly #listeners = new Set<Listener>();
  /** Nobody reaches it, or only these do not. */
  away = false;
  readonly cut: Set<Processor> = new Set();
  /** Nothing is lost or late any more. */
  isCalm = false;
  /** Hears of a batch that continues what was lost. */
  onStray: () => void = () => {};

  constructor(world: World, plan: LogPlan) {
    this.#world = world;
    this.#dice = world.dice.fork();
    this.#plan = plan;
  }

  /** A question to it and back. @param done hears the answer, if it comes, in the thread of the party */
  ask<T>(party: Processor, act: () => T, done: (answer: T) => void): void {
    const world = this.#world;
    const isLost = this.#dice.chance(this.#plan.lostShare) && !this.isCalm;
    const backMs = this.#delayMs();
    const arrive = (): void => {
      if (this.#isApart(party)) return;
      const answer = act();
      if (!isLost) world.at(world.now + backMs, () => this.#isApart(party) || done(answer), party);
    };
    world.at(world.now + this.#delayMs(), arrive, world.outside);
  }

  #isApart(party: Processor): boolean {
    return this.away || this.cut.has(party);
  }

  #delayMs(): number {
    const { delayMsMax, lateShare, lateMsMax } = this.#plan;
    const isLate = this.#dice.chance(lateShare) && !this.isCalm;
    return this.#dice.share() * (isLate ? lateMsMax : delayMsMax);
  }

  next(chain: string, after: number): LoggedBatch | undefined {
    const lags = this.#dice.chance(this.#plan.lagShare) && !this.isCalm;
    const until = this.#world.now - (lags ? this.#dice.share() * this.#plan.lagMsMax : 0);
    return this.#messages.find((each) => each.chain === chain && each.sequence > after && each.at <= until);
  }

  last(chain: string): LoggedBatch | undefined {
    return this.#messages.findLast((each) => each.chain === chain);
  }

  /** @returns its sequence, if nothing can be between @throws CONFLICT */
  append(chain: string, bytes: Uint8Array, after: number): number | undefined {
    const batch = readBatch(bytes);
    // The same message again: it is there already.
    if (this.#messages.some((each) => each.batch.position.digest === batch.position.digest)) return undefined;
    const before = this.last(chain)?.sequence ?? 0;
    if (before !== after && !this.#isLax(chain, after))
      throw new FlexemrError('CONFLICT', 'another writer was first');
    const added = { sequence: ++this.#sequence, batch, before };
    this.#messages.push({ ...added, chain, at: this.#world.now });
    const isStray = this.chain(chain).add(batch, this.made, this.#world.now);
    this.#world.history.add(`log: ${chain.slice(0, 4)} ${batch.position.number}, sequence ${this.#sequence}`);
    if (isStray) this.onStray();
    this.#send(chain, added);
    return this.#plan.laxShare > 0 ? undefined : added.sequence;
  }

  /** Whether several may win who expect the same sequence at about the same time. */
  #isLax(chain: string, after: number): boolean {
    if (this.isCalm || !this.#dice.chance(this.#plan.laxShare)) return false;
    const own = this.#messages.filter((each) => each.chain === chain && each.sequence >= after);
    const isThere = after === 0 || own[0]?.sequence === after;
    const later = own.filter(({ sequence }) => sequence > after);
    return isThere && later.every(({ at }) => at > this.#world.now - laxMs);
  }

  /** What is sent may come late, twice, or never. Or the party hears only that it may have missed something. */
  #send(chain: string, added: AddedBatch): void {
    for (const listener of this.#listeners) {
      if (listener.chain !== chain) continue;
      const times = this.isCalm ? 1 : this.#dice.pick([0, 1, 1, 1, 1, 2]);
      for (let i = 0; i < times; i++) {
        const heard = this.#dice.chance(0.9) ? added : undefined;
        const tell = (): void => {
          if (this.#listeners.has(listener) && !this.#isApart(listener.party)) listener.onAdded(heard);
        };
        this.#world.at(this.#world.now + this.#delayMs(), tell, listener.party);
      }
    }
  }

  listen(party: Processor, chain: string, onAdded: Listener['onAdded']): () => void {
    const listener = { party, chain, onAdded };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  chain(name: string): ChainHistory {
    let history = this.#chains.get(name);
    if (history === undefined) {
      history = new ChainHistory();
      this.#chains.set(name, history);
    }
    return history;
  }

  /** Its server loses power, and what it had not written to its disk: so many batches. Their sequences are used again. */
  lose(count: number): void {
    this.#messages.splice(Math.max(0, this.#messages.length - count));
    this.#sequence = this.#messages.at(-1)?.sequence ?? this.#forgotten.at(-1)?.sequence ?? 0;
    this.#replay();
  }

  /** Somebody deletes it, and it is made anew. */
  remake(): void {
    this.#messages = [];
    this.#forgotten = [];
    this.#sequence = 0;
    this.made++;
    this.#replay();
  }

  /**
   * Somebody deletes the oldest batches. What is left of a chain begins with one of its batches: nobody can tell one that lost a race
   * from the winner, if that is gone.
   */
  forget(share: number): void {
    const old = this.#messages.slice(0, Math.floor(this.#messages.length * share));
    const firsts = new Map(
      [...this.#chains].map(([chain, history]) => {
        const own = old.filter((each) => each.chain === chain);
        return [chain, own.findLast(({ batch }) => history.has(batch.position.digest))?.sequence ?? 0];
      }),
    );
    const isOld = ({ chain, sequence }: Message): boolean => sequence < (firsts.get(chain) ?? 0);
    this.#forgotten.push(...this.#messages.filter(isOld));
    this.#messages = this.#messages.filter((each) => !isOld(each));
  }

  /** Whether it has forgotten batches of a chain. */
  forgets(chain: string): boolean {
    return this.#forgotten.some((each) => each.chain === chain);
  }

  #replay(): void {
    for (const [name, history] of this.#chains) {
      const own = [...this.#forgotten, ...this.#messages].filter(({ chain }) => chain === name);
      history.replay(
        own.map(({ batch }) => batch),
        this.made,
        this.#world.now,
      );
    }
  }
}

type Answer<T> = { readonly value: T } | { readonly error: unknown };

/** The log, as a thread reaches it. */
export class ReachedLog implements UpdateLog {
  readonly #log: SimulatedLog;
  readonly #party: Processor;

  constructor(log: SimulatedLog, party: Processor) {
    this.#log = log;
    this.#party = party;
  }

  /** Asks again and again, for some time. What was asked may be done, although nobody answers. */
  async #ask<T>(act: () => T): Promise<T> {
    for (const end = performance.now() + natsRequestMs; ; ) {
      const answer = await this.#attempt(act);
      if (answer !== undefined && 'value' in answer) return answer.value;
      if (answer !== undefined) throw answer.error;
      if (performance.now() >= end) throw new FlexemrError('UNAVAILABLE', 'the log does not answer');
    }
  }

  #attempt<T>(act: () => T): Promise<Answer<T> | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), natsAttemptMs);
      const answered = (): Answer<T> => {
        try {
          return { value: act() };
        } catch (error) {
          return { error };
        }
      };
      this.#log.ask<Answer<T>>(this.#party, answered, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  incarnation(): Promise<number> {
    return this.#ask(() => this.#log.made);
  }

  next(chain: string, after: number): Promise<LoggedBatch | undefined> {
    return this.#ask(() => this.#log.next(chain, after));
  }

  last(chain: string): Promise<LoggedBatch | undefined> {
    return this.#ask(() => this.#log.last(chain));
  }

  append(chain: string, batch: Uint8Array, after: number): Promise<number | undefined> {
    return this.#ask(() => this.#log.append(chain, batch, after));
  }

  listen(chain: string, onAdded: (added?: AddedBatch) => void): () => void {
    return this.#log.listen(this.#party, chain, onAdded);
  }

  async close(): Promise<void> {}
}
