// One model: searches the highest rate of each service, and then loads them equally.
import { median } from '../measure.ts';
import type { Course } from './options.ts';
import type { Patience } from './others.ts';
import { probe } from './probe.ts';
import type { Kept, LoadOutcome, Probe } from './result.ts';
import { Search } from './search.ts';
import type { SenderProcess } from './sender-process.ts';
import type { Service } from './services.ts';

/** The share of requests that may be late: the objective is a 99th percentile. */
const lateMax = 0.01;
/** The first search: where it begins, in requests per second, and how long it tries each rate. */
const coarse = { from: 64, stride: 2, closeRatio: 2 };
const coarseMs = 1_000;
/** Later ones begin where the one before has ended. */
const stride = 1.25;

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
    const { rounds, closeRatio } = this.#course;
    const best = services.map((): Probe | undefined => undefined);
    let from = await this.#coarseRates(services);
    const found: number[][] = [];
    for (let round = 0; round < rounds; round++) {
      const searches = from.map((rate) => new Search({ from: rate, stride, closeRatio }));
      await this.#run(services, searches, this.#course, (i, probe) => {
        if (probe.rate > (best[i]?.rate ?? 0)) best[i] = probe;
      });
      found.push(searches.map((search) => search.found));
      console.log(
        `round ${round + 1}: ${services.map(({ name }, i) => `${name} ${found[round][i].toFixed(0)}`).join(', ')}`,
      );
      from = from.map((rate, i) => found[round][i] || rate);
    }
    return services.map(({ name }, i) => {
      const own = found.map((rates) => rates[i]);
      return { name, rounds: own, perSecond: median(own), best: best[i] };
    });
  }

  /** Rates that are nearly right. Compilers are warm after it. */
  async #coarseRates(services: readonly Service[]): Promise<number[]> {
    const { warmMs, ms } = this.#course;
    const course = { warmMs, ms: Math.min(ms, coarseMs) };
    for (const service of services)
      for (let i = 0; i < 3; i++) await this.#probe(service, 2 * coarse.from, course, undefined);
    const searches = services.map(() => new Search(coarse));
    await this.#run(services, searches, course, () => {});
    return searches.map(({ found }) => Math.max(1, found) * Math.SQRT2);
  }

  /** Runs searches to their ends, one step of each in turn. */
  async #run(
    services: readonly Service[],
    searches: readonly Search[],
    course: Pick<Course, 'warmMs' | 'ms'>,
    onKept: (service: number, probe: Probe) => void,
  ): Promise<void> {
    while (searches.some(({ next }) => next !== undefined))
      for (const [i, search] of searches.entries()) {
        if (search.next === undefined) continue;
        const tried = await this.#try(services[i], search.next, course);
        search.tell(tried.rate, isKept(tried));
        if (isKept(tried)) onKept(i, tried);
      }
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
