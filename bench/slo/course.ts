// One model: searches the highest rate of each service, and then loads them equally.
import { median } from '../measure.ts';
import type { Course } from './options.ts';
import type { Patience } from './others.ts';
import { probe } from './probe.ts';
import type { Kept, LoadOutcome, Probe } from './result.ts';
import { Bisection, type Bracket } from './search.ts';
import type { SenderProcess } from './sender-process.ts';
import type { Service } from './services.ts';

/** The share of requests that may be late: the objective is a 99th percentile. */
const lateMax = 0.01;
/** Where the first search begins, in requests per second; and how long each of its rates is tried. */
const firstRate = 16;
const coarseMs = 1_000;

export class Track {
  readonly #sender: SenderProcess;
  readonly #sloMs: number;
  readonly #course: Course;
  readonly #patience: Patience;
  readonly #pids: readonly number[];
  #seed = 0;

  /** @param pids of all processes that take part */
  constructor(
    sender: SenderProcess,
    sloMs: number,
    course: Course,
    patience: Patience,
    pids: readonly number[],
  ) {
    this.#sender = sender;
    this.#sloMs = sloMs;
    this.#course = course;
    this.#patience = patience;
    this.#pids = pids;
  }

  /** The highest rates that services keep. Their searches take turns, so that a slow phase affects all. */
  async search(services: readonly Service[]): Promise<Kept[]> {
    const brackets: Bracket[] = [];
    for (const service of services) brackets.push(await this.#bracket(service));
    const kept = services.map(() => [] as number[]);
    const best = services.map((): Probe | undefined => undefined);
    for (let round = 0; round < this.#course.rounds; round++) {
      const searches = brackets.map((bracket) => new Bisection(bracket, this.#course.closeRatio));
      while (searches.some(({ next }) => next !== undefined))
        for (const [i, search] of searches.entries()) {
          if (search.next === undefined) continue;
          const tried = await this.#try(services[i], search.next, this.#course);
          search.tell(tried.rate, isKept(tried));
          if (isKept(tried) && tried.rate > (best[i]?.rate ?? 0)) best[i] = tried;
        }
      for (const [i, { found }] of searches.entries()) kept[i].push(found);
    }
    return services.map(({ name }, i) => {
      return { name, rounds: kept[i], perSecond: median(kept[i]), best: best[i] };
    });
  }

  /** A range in which the highest rate is: doubles a rate until it is not kept. Compilers are warm after it. */
  async #bracket(service: Service): Promise<Bracket> {
    const { warmMs, ms } = this.#course;
    const course = { warmMs, ms: Math.min(ms, coarseMs) };
    for (let i = 0; i < 3; i++) await this.#probe(service, 10 * firstRate, course, undefined);
    let rate = firstRate;
    while (isKept(await this.#try(service, rate, course))) rate *= 2;
    return { low: rate / 4, high: rate * 1.2 };
  }

  /** Tries a rate, and once more if it is not kept, because a pause of the machine has the same effect. */
  async #try(service: Service, rate: number, course: Pick<Course, 'warmMs' | 'ms'>): Promise<Probe> {
    const first = await this.#probe(service, rate, course, lateMax);
    return isKept(first) ? first : await this.#probe(service, rate, course, lateMax);
  }

  async #probe(
    service: Service,
    rate: number,
    { warmMs, ms }: Pick<Course, 'warmMs' | 'ms'>,
    late: number | undefined,
  ): Promise<Probe> {
    const load = { rate, warmMs, ms, sloMs: this.#sloMs, lateMax: late, seed: this.#seed++ };
    return await this.#patience.undisturbed(this.#pids, () => probe(this.#sender, service, load));
  }

  /** Gives services the same loads, in turns. @param most requests per second that the first one keeps */
  async loads(services: readonly Service[], most: number): Promise<LoadOutcome[]> {
    const outcomes: LoadOutcome[] = [];
    for (const share of this.#course.shares) {
      const probes = services.map(() => [] as Probe[]);
      for (let round = 0; round < this.#course.rounds; round++)
        for (const [i, service] of services.entries())
          probes[i].push(await this.#probe(service, share * most, this.#course, undefined));
      const medians = services.map(({ name }, i) => {
        const of = (field: 'inTime' | 'p50Ms' | 'p99Ms'): number =>
          median(probes[i].map((one) => one[field]));
        return { name, inTime: of('inTime'), p50Ms: of('p50Ms'), p99Ms: of('p99Ms') };
      });
      outcomes.push({ rate: share * most, share, services: medians });
    }
    return outcomes;
  }
}

function isKept({ inTime }: Probe): boolean {
  return inTime >= 1 - lateMax;
}
