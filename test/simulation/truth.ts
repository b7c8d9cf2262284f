// Where the truth about a simulated cluster is: one text, which is compared and set, and leases, which end by themselves.
import { leaseMs } from '../../src/cluster-limits.ts';
import { FlexemrError } from '../../src/errors.ts';
import { type Cluster, parseCluster } from '../../src/plan/cluster.ts';
import type { LeaseKind } from '../../src/plan/cluster-leases.ts';
import type { ReadText } from '../../src/plan/cluster-watch.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import type { KeptLease } from '../../src/plan/known-leases.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { LocalClock, Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';

/** Delays of its messages, and how many of them are lost. */
export interface TruthPlan {
  readonly delayMsMax: number;
  /** A question may come or be answered very late. */
  readonly lateShare: number;
  readonly lateMsMax: number;
  /** The answer is lost, after the question was done. */
  readonly lostShare: number;
  readonly clock: LocalClock;
}

interface HeldLease {
  readonly kind: LeaseKind;
  readonly id: string;
  readonly text: string;
  /** What its holder has written last. A message that came late may have replaced it. */
  readonly newest: { readonly text: string; readonly writer: number };
  readonly renewedAt: number;
  /** When it was there first. */
  readonly since: number;
  readonly party: Processor;
}

interface Listener {
  readonly party: Processor;
  readonly onRing: () => void;
  /** Its watch has died, and nobody was told. */
  isDeaf: boolean;
}

/** A change of the text, and who has made it. Undefined: a fault. */
export interface Written {
  readonly step: 'begin' | 'flip' | 'end' | 'abort' | undefined;
  readonly cluster: Cluster;
  readonly by?: Processor | undefined;
  /** It ends a change that was aborted. */
  readonly isBack?: boolean | undefined;
}

export class Truth {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #plan: TruthPlan;
  readonly #onWritten: (written: Written) => void;
  #text: string | undefined;
  #last = 0;
  /** How often it was made anew. */
  #made = 0;
  /** The revisions of texts that were written, by their writers. */
  readonly #written = new Map<number, string>();
  #writers = 0;
  readonly #leases = new Map<string, HeldLease>();
  readonly #listeners = new Set<Listener>();
  /** When each party has read all leases last. */
  readonly #leasesReadAt = new Map<Processor, number>();
  /** Nobody reaches it. */
  away = false;
  /** Those who do not reach it. */
  readonly cut: Set<Processor> = new Set();
  /** Nothing is lost or late any more. */
  isCalm = false;
  /** What was served, and since when, in order. */
  readonly served: { readonly at: number; readonly plan: string; readonly version: number }[] = [];

  /** @param onWritten is told of every change, when it happens */
  constructor(world: World, plan: TruthPlan, onWritten: (written: Written) => void) {
    this.#world = world;
    this.#dice = world.dice.fork();
    this.#plan = plan;
    this.#onWritten = onWritten;
  }

  /** A message to it and back. @param done hears the answer, if it comes, in the thread of the party */
  ask<T>(party: Processor, act: () => T, done: (answer: T) => void): void {
    const world = this.#world;
    const isLost = this.#dice.chance(this.#plan.lostShare) && !this.isCalm;
    const backMs = this.#delayMs();
    const arrive = (): void => {
      if (this.#isApart(party)) return;
      const answer = act();
      if (isLost) return;
      world.at(world.now + backMs, () => this.#isApart(party) || done(answer), party);
    };
    world.at(world.now + this.#delayMs(), arrive, world.outside);
  }

  #isApart(party: Processor): boolean {
    return this.away || this.cut.has(party);
  }

  #delayMs(): number {
    const { delayMsMax, lateShare, lateMsMax } = this.#plan;
    const isLate = this.#dice.chance(lateShare) && !this.isCalm;
    return this.#dice.between(0, isLate ? lateMsMax : delayMsMax);
  }

  get entry(): ReadText | undefined {
    return this.#text === undefined ? undefined : { text: this.#text, revision: this.#revision };
  }

  get #revision(): string {
    return `${this.#last}@${this.#made}`;
  }

  get state(): { readonly text: string; readonly last: number } {
    return { text: `${this.#made} ${this.#last}`, last: this.#last };
  }

  /** When it was without a change, and what it served then. The last one may go on. */
  readonly settled: { readonly plan: string; until: number }[] = [];
  /** Texts that were there. */
  readonly texts: string[] = [];

  /** The cluster that is there. */
  get cluster(): Cluster {
    if (this.#text === undefined) throw new Error('there is no truth');
    return parseCluster(this.#text);
  }

  /** Of one text. */
  newWriter(): number {
    return ++this.#writers;
  }

  /** @param writer may ask twice @throws CONFLICT */
  compareAndSet(by: Processor, writer: number, text: string, last: number): string {
    const known = this.#written.get(writer);
    if (known !== undefined) return known;
    if (last !== this.#last || this.#text === undefined)
      throw new FlexemrError('CONFLICT', 'somebody else has changed it');
    const before = parseCluster(this.#text);
    const cluster = parseCluster(text);
    const step = stepOf(before, cluster);
    if (step === undefined)
      this.#world.fail(new Error(`a command writes ${inShort(cluster)} over ${inShort(before)}`));
    this.#set(text, { step, cluster, by, isBack: before.aborted });
    this.#written.set(writer, this.#revision);
    return this.#revision;
  }

  #set(text: string, written: Written): void {
    this.#text = text;
    this.texts.push(text);
    this.#last++;
    const { routing } = written.cluster.serving;
    const plan = planName(routing);
    if (this.served.at(-1)?.plan !== plan)
      this.served.push({ at: this.#world.now, plan, version: routing.tables[0].version });
    const open = this.settled.at(-1);
    if (open?.until === Number.POSITIVE_INFINITY) open.until = this.#world.now;
    const { next, previous } = written.cluster;
    if (next === undefined && previous === undefined)
      this.settled.push({ plan, until: Number.POSITIVE_INFINITY });
    this.#world.history.add(`truth: ${written.step ?? 'set'}: ${inShort(written.cluster)}`);
    this.#onWritten(written);
    for (const listener of this.#listeners) this.#ring(listener);
  }

  /** A ring may come late, twice, or never. */
  #ring(listener: Listener): void {
    const rings = this.#dice.pick([0, 1, 1, 1, 1, 1, 2]);
    for (let i = 0; i < rings; i++) {
      const ring = (): void => {
        if (!listener.isDeaf && this.#listeners.has(listener) && !this.#isApart(listener.party))
          listener.onRing();
      };
      this.#world.at(this.#world.now + this.#delayMs(), ring, listener.party);
    }
  }

  listen(party: Processor, onRing: () => void): () => void {
    const listener = { party, onRing, isDeaf: false };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Watches die, and nobody is told. */
  deafen(): void {
    for (const listener of this.#listeners) listener.isDeaf ||= this.#dice.chance(0.5);
  }

  /** @param writer of this text. Later ones have greater numbers */
  putLease(party: Processor, kind: LeaseKind, id: string, text: string, writer: number): void {
    const key = `${kind}.${id}`;
    const { now: renewedAt } = this.#world;
    this.#dropLeases();
    const before = this.#leases.get(key);
    const since = before?.since ?? renewedAt;
    const newest = before !== undefined && before.newest.writer > writer ? before.newest : { text, writer };
    this.#leases.set(key, { kind, id, text, newest, renewedAt, since, party });
  }

  deleteLease(kind: LeaseKind, id: string): void {
    this.#leases.delete(`${kind}.${id}`);
  }

  readLeases(party: Processor): KeptLease[] {
    this.#leasesReadAt.set(party, this.#world.now);
    const { aheadMs, rate } = this.#plan.clock;
    return this.leases.map(({ kind, id, text, renewedAt }) => {
      return { kind, id, text, renewedAt: aheadMs + renewedAt * rate };
    });
  }

  /** Those that are not gone. */
  get leases(): HeldLease[] {
    this.#dropLeases();
    return [...this.#leases.values()];
  }

  /** Those of rankers that were there when a party has read all of them last. @param isSame leaves out those renewed since */
  knownRankers(party: Processor | undefined, isSame: boolean): HeldLease[] {
    // Who has not read them has to know all of them.
    const readAt = (party && this.#leasesReadAt.get(party)) ?? Number.POSITIVE_INFINITY;
    return this.leases.filter(
      ({ kind, since, renewedAt }) => kind === 'ranker' && (isSame ? renewedAt : since) <= readAt,
    );
  }

  #dropLeases(): void {
    const { now } = this.#world;
    for (const [key, { renewedAt }] of this.#leases)
      if ((now - renewedAt) * this.#plan.clock.rate > leaseMs) this.#leases.delete(key);
  }

  loseLeases(): void {
    this.#leases.clear();
  }

  /** Somebody deletes it. */
  empty(): void {
    this.#text = undefined;
    this.#last = 0;
    this.#made++;
  }

  /** Somebody writes it without asking. */
  put(text: string): void {
    this.#set(text, { step: undefined, cluster: parseCluster(text) });
  }
}

/** The step from one cluster to the next one. Undefined: there is none. This is written from docs/cluster.md. */
function stepOf(before: Cluster, after: Cluster): Written['step'] {
  const [from, to] = [inShort(before), inShort(after)];
  const [s, n, p] = [before.serving, before.next, before.previous].map((each) => each && nameOf(each));
  const [next] = [after.next].map((each) => each && nameOf(each));
  if (from === s) return next !== undefined && to === `${s}, next ${next}` ? 'begin' : undefined;
  if (n !== undefined) return to === `${n}, previous ${s}` ? 'flip' : to === s ? 'abort' : undefined;
  if (to === s) return 'end';
  return !before.aborted && to === `${p}, previous ${s}, aborted` ? 'abort' : undefined;
}

function nameOf({ routing }: Cluster['serving']): string {
  return `v${routing.tables[0].version} ${planName(routing).slice(0, 4)}`;
}

export function inShort({ serving, next, previous, aborted }: Cluster): string {
  return [
    nameOf(serving),
    ...(next ? [`next ${nameOf(next)}`] : []),
    ...(previous ? [`previous ${nameOf(previous)}`] : []),
    ...(aborted ? ['aborted'] : []),
  ].join(', ');
}
