// The part `doorbells`: threads that post small WRITEs, with a doorbell each, or with the doorbells that a provider shares
// between queue pairs without a thread domain. The provider is the stand-in of the tests: a shared doorbell has a real spin
// lock, and a real write past the caches is made while it is held.
import { availableParallelism } from 'node:os';
import { median, quantile } from '../measure.ts';
import { fitted, type PostTimes, predictRatio, predictShared, type RatioPoint } from './doorbell-model.ts';
import type { PartOptions } from './engines.ts';
import { paperEngines } from './paper.ts';
import type { Devices, PostingThreads, Sample } from './posting.ts';
import { loadStandIn, type Verbs } from './stand-in.ts';

/** Numbers of doorbells that are shared. A provider has 16, unless it is told otherwise. */
const doorbellCounts = [16, 4, 2, 1] as const;
/** Those whose ratios the model is fitted to. It has to predict the others. */
const fittedCounts: readonly number[] = [16, 1];
/** Queue pairs of a thread: connections to so many nodes. */
const queuePairs = 16;
const pauseMs = 2;
/**
 * Bursts in which other programs took more than `cpusTaken` of the processors are left out. Bursts are so short for that. A test of the
 * benchmark takes all of them.
 */
const courses = {
  full: { starts: 5, pairs: 150, tries: 1_000, bursts: 4, posts: 1_024, warmPosts: 200_000, cpusTaken: 0.05 },
  quick: { starts: 1, pairs: 10, tries: 50, bursts: 4, posts: 1_024, warmPosts: 20_000, cpusTaken: 1 },
} as const;
type Course = (typeof courses)[keyof typeof courses];
const modelled = paperEngines.map(({ engines }) => engines);

export interface Row {
  readonly engines: number;
  readonly doorbells: number;
  /** Threads that rang a doorbell: the most of all doorbells. */
  readonly threadsOwn: number;
  readonly threadsShared: number;
  /** The part of the posts that waited for a shared doorbell. */
  readonly contended: number;
  /** Posts per second. */
  readonly own: number;
  readonly shared: number;
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** How many pairs of bursts had the processors for themselves. */
  readonly pairs: number;
}

export interface DoorbellsResult {
  readonly rows: readonly Row[];
  readonly times: PostTimes;
  readonly predicted: readonly {
    readonly engines: number;
    readonly doorbells: number;
    readonly ratio: number;
  }[];
}

type StandIn = Awaited<ReturnType<typeof loadStandIn>>['standIn'];

export async function run({ quick }: PartOptions): Promise<DoorbellsResult> {
  const course = courses[quick ? 'quick' : 'full'];
  const { verbs, standIn } = await loadStandIn();
  // These modules load the verbs, which read the environment at that time.
  const { PostingThreads: threads } = await import('./posting.ts');
  const devices = openDevices(verbs);
  const cpus = availableParallelism();
  const heldNs = ringNs(standIn);
  console.log(
    `${queuePairs} queue pairs a thread, WRITEs of 32 bytes inline, ${course.starts} × ${course.pairs} pairs of bursts of ${course.posts} posts a thread\n` +
      '  threads doorbells  threads a doorbell  waited    M posts/s     ratio  quartiles     pairs\n' +
      '            shared      own  shared              own  shared',
  );
  const rows: Row[] = [];
  for (const doorbells of doorbellCounts)
    for (const engines of new Set([1, cpus, 8])) {
      const matches: Match[] = [];
      // Compilers do not make the same code of a program each time it starts.
      const starts = engines > cpus ? 1 : course.starts;
      for (let start = 0; start < starts; start++) {
        standIn.reset();
        standIn.limitDoorbells(doorbells);
        await using own = await threads.start(devices, 'own', engines, queuePairs);
        await using shared = await threads.start(devices, 'shared', engines, queuePairs);
        matches.push(await contest({ own, shared, standIn, course, engines, cpus }));
      }
      rows.push(rowOf(engines, doorbells, matches));
      console.log(lineOf(rows[rows.length - 1], cpus));
    }
  for (const part of [devices.near, devices.far, ...devices.domains, ...devices.contexts]) part.close();
  const result = model(rows, heldNs, cpus);
  report(result, cpus);
  return result;
}

function openDevices(verbs: Verbs): Devices {
  const contexts = [0, 1].map((at) => verbs.Context.open(verbs.devices()[at].name));
  const domains = contexts.map((context) => verbs.ProtectionDomain.allocate(context));
  const memory = new Uint8Array(new SharedArrayBuffer(1 << 16));
  const { localWrite, remoteWrite } = verbs.access;
  const [near, far] = domains.map((domain) =>
    verbs.MemoryRegion.register(domain, memory, localWrite | remoteWrite),
  );
  return { contexts, domains, near, far };
}

/** So few rings that most batches have the processor for themselves. */
const rings = { batch: 200, batches: 2_001 } as const;

/** The time of ringing a locked doorbell that nobody else rings. */
function ringNs(standIn: StandIn): number {
  return median(
    Array.from({ length: rings.batches }, () => {
      const began = performance.now();
      standIn.ring(0, 0, rings.batch);
      return ((performance.now() - began) * 1e6) / rings.batch;
    }),
  );
}

interface Contest {
  readonly own: PostingThreads;
  readonly shared: PostingThreads;
  readonly standIn: StandIn;
  readonly course: Course;
  readonly engines: number;
  readonly cpus: number;
}

interface Pair {
  readonly own: number;
  readonly shared: number;
}

/** What the same threads did. */
interface Match extends Pick<Row, 'threadsOwn' | 'threadsShared'> {
  readonly pairs: readonly Pair[];
  /** The part of the posts that waited, by sample. */
  readonly waited: readonly number[];
}

async function contest({ own, shared, standIn, course, engines, cpus }: Contest): Promise<Match> {
  for (const side of [own, shared]) await side.sample(1, course.warmPosts);
  // Threads that take turns need time for many turns, and nobody can say who else had a turn.
  const takeTurns = engines > cpus;
  const [bursts, posts] = takeTurns ? [1, course.posts * 16] : [course.bursts, course.posts];
  const isGood = ({ cpus: had }: Sample): boolean => takeTurns || had >= engines * (1 - course.cpusTaken);
  const pairs: Pair[] = [];
  const waited: number[] = [];
  for (let i = 0; i < course.tries && pairs.length < (takeTurns ? 11 : course.pairs); i++) {
    // Threads that have slept for a moment get their processors at once, also from busy programs.
    await new Promise((waited) => setTimeout(waited, pauseMs));
    const ours = (await own.sample(bursts, posts)).filter(isGood);
    const before = standIn.sharedWork();
    const all = await shared.sample(bursts, posts);
    const after = standIn.sharedWork();
    const naive = all.filter(isGood);
    // The doorbells count whole samples. If most bursts were disturbed, the count says nothing.
    const undisturbed = naive.length > 0.8 * all.length;
    if (undisturbed) waited.push((after.contended - before.contended) / (after.doorbells - before.doorbells));
    for (let at = 0; at < Math.min(ours.length, naive.length); at++)
      pairs.push({ own: ours[at].rate, shared: naive[at].rate });
  }
  const violations = standIn.violations();
  if (violations > 0) throw new Error(`${violations} uses of a thread domain by another thread`);
  return {
    threadsOwn: Math.max(...standIn.threadDomains().map(({ threads }) => threads)),
    threadsShared: standIn.sharedWork().threads,
    pairs,
    waited,
  };
}

function rowOf(engines: number, doorbells: number, matches: readonly Match[]): Row {
  const pairs = matches.flatMap((match) => match.pairs);
  const waited = matches.flatMap((match) => match.waited);
  if (pairs.length === 0 || waited.length === 0)
    throw new Error('other programs use the processors, so no sample is good; run this again later');
  const ratios = pairs.map(({ own, shared }) => own / shared);
  return {
    engines,
    doorbells,
    threadsOwn: Math.max(...matches.map(({ threadsOwn }) => threadsOwn)),
    threadsShared: Math.max(...matches.map(({ threadsShared }) => threadsShared)),
    contended: median(waited),
    own: median(pairs.map(({ own }) => own)),
    shared: median(pairs.map(({ shared }) => shared)),
    ratio: median(ratios),
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    pairs: pairs.length,
  };
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

function lineOf(row: Row, cpus: number): string {
  const { engines, doorbells, ratio, low, high, pairs } = row;
  const millions = (rate: number): string => (rate / 1e6).toFixed(2).padStart(8);
  const head = [engines, doorbells].map((count) => String(count).padStart(9)).join('');
  const threads = String(row.threadsOwn).padStart(10) + String(row.threadsShared).padStart(8);
  // They take turns, so they hardly meet at a doorbell.
  if (engines > cpus) return `${head}${threads}  more threads than processors: see the model`;
  const rates = percent(row.contended).padStart(9) + millions(row.own) + millions(row.shared);
  const spread = `${low.toFixed(2)} … ${high.toFixed(2)}`;
  return `${head}${threads}${rates}${ratio.toFixed(2).padStart(7)}  ${spread}${String(pairs).padStart(7)}`;
}

/** Fits the model to what was measured with a thread on each processor. */
function model(rows: readonly Row[], heldNs: number, cpus: number): DoorbellsResult {
  const alone = (rate: (row: Row) => number): number =>
    median(rows.filter(({ engines }) => engines === 1).map((row) => 1e9 / rate(row)));
  const locked = alone(({ shared }) => shared);
  const measured = {
    outsideNs: Math.max(1, locked - heldNs),
    heldNs,
    lockNs: Math.max(0, locked - alone(({ own }) => own)),
  };
  const points: RatioPoint[] = rows.filter(
    ({ engines, doorbells }) => engines === cpus && fittedCounts.includes(doorbells),
  );
  const times = fitted(measured, cpus > 1 ? points : []);
  const predicted = doorbellCounts.flatMap((doorbells) =>
    modelled.map((engines) => ({ engines, doorbells, ratio: predictRatio(times, engines, doorbells) })),
  );
  return { rows, times, predicted };
}

function report({ rows, times }: DoorbellsResult, cpus: number): void {
  const ns = (value: number): string => `${Math.round(value)} ns`;
  console.log(
    `\nmodel: a post takes ${ns(times.outsideNs)} outside the lock and ${ns(times.heldNs)} holding it, of which the lock alone takes ${ns(times.lockNs)} (measured);\n` +
      `${ns(times.movedNs)} more after another thread, ${ns(times.spinningNs)} more for each that spins (fitted to the ratios at ${fittedCounts.join(' and ')} doorbells)`,
  );
  console.log('\nmodel against what was measured\nthreads  doorbells   ratio  measured    waited  measured');
  for (const { engines, doorbells, ratio, contended } of rows.filter((row) => row.engines === cpus)) {
    const found = predictShared(times, engines, doorbells).contended;
    console.log(
      String(engines).padStart(7) +
        String(doorbells).padStart(11) +
        predictRatio(times, engines, doorbells).toFixed(2).padStart(8) +
        ratio.toFixed(2).padStart(10) +
        percent(found).padStart(10) +
        percent(contended).padStart(10) +
        (fittedCounts.includes(doorbells) ? '  ratio fitted' : '  predicted'),
    );
  }
  console.log(
    `\nmodel: how much faster a doorbell each is (in brackets: if only the first that spins costs time)\nengines${doorbellCounts.map((count) => `${count} shared`.padStart(16)).join('')}      the paper (aim at 8: 2.3)`,
  );
  for (const { engines, own, shared } of paperEngines) {
    const cells = doorbellCounts.map((doorbells) => {
      const [most, least] = (['each', 'first'] as const).map((spinning) =>
        predictRatio(times, engines, doorbells, spinning).toFixed(2),
      );
      return `${most} (${least})`.padStart(16);
    });
    console.log(`${String(engines).padStart(7)}${cells.join('')}${(own / shared).toFixed(2).padStart(11)}`);
  }
}
