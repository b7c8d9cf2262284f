// npm run bench -- cache: what a lookup costs that the cache answers whole, and one of which it has nothing, against the
// same lookups without a cache.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type KeyedBags, openRanker, startLocalCluster } from '../../src/index.ts';
import { mix32 } from '../data.ts';
import { describe, environment } from '../environment.ts';
import { median } from '../measure.ts';
import { cpuUsOf, ownCpuUs } from '../serving/cpu.ts';
import { writeTables } from '../serving/rows.ts';
import type { TableShape } from '../serving/workload.ts';
import { mlperfShape } from '../serving/workloads.ts';

/**
 * Keys of the 26 features of MLPerf's DLRM. Two tables with many rows stand for all, one of them for bags of one key, so that
 * bags need not repeat.
 */
const { lookups } = mlperfShape;
const tables = (quick: boolean): TableShape[] =>
  ['a', 'b'].map((name) => ({
    name,
    rows: quick ? 65_536 : 2 ** 20,
    dim: 128,
    mode: 'sum',
    weighted: false,
  }));
const batchSizes = [1, 16];
/** Different lookups that the cache answers. */
const known = 64;
const cacheSize = '32MiB';

type Ranker = Awaited<ReturnType<typeof openRanker>>;

export async function run(args: string[]): Promise<void> {
  const options = { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } } as const;
  const { quick, rounds = quick ? '2' : '9' } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-cache-'));
  try {
    const file = join(folder, 'tables.safetensors');
    const shapes = tables(quick);
    await writeTables(file, shapes);
    await using cluster = await startLocalCluster({ tables: file, nodes: 1 });
    const { routing } = cluster;
    console.log(`\nMLPerf's 26 features, 214 keys of dim 128; one memory node; a cache of ${cacheSize}`);
    console.log(
      ['samples', '', 'µs, both sides', 'of none', 'p50 ms', 'of none']
        .map((cell) => cell.padStart(15))
        .join(''),
    );
    for (const samples of batchSizes) {
      await using none = await openRanker({ routing });
      await using cached = await openRanker({ routing, cache: cacheSize });
      const bench = new CacheBench(shapes[0].rows, samples, cluster.pids, quick ? 40 : 400);
      await bench.race(Number(rounds), none, cached);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What a lookup took: µs of CPU of ranker and node together, and ms. */
interface Cost {
  readonly us: number;
  readonly ms: number;
}

class CacheBench {
  readonly #rows: number;
  readonly #samples: number;
  readonly #pids: readonly number[];
  readonly #calls: number;
  /** Keys that were drawn so far, for bags of one key and for longer ones. */
  #ones = 0;
  #others = 0;

  constructor(rows: number, samples: number, pids: readonly number[], calls: number) {
    this.#rows = rows;
    this.#samples = samples;
    this.#pids = pids;
    this.#calls = Math.ceil(calls / Math.min(samples, 2));
  }

  /** All contenders take turns in each round. */
  async race(rounds: number, none: Ranker, cached: Ranker): Promise<void> {
    const repeated = Array.from({ length: known }, () => this.#bags());
    const fresh = (): KeyedBags => this.#bags();
    const again = (i: number): KeyedBags => repeated[i % known];
    const contenders = [
      { name: 'all found', cached: () => this.#cost(cached, again), plain: () => this.#cost(none, again) },
      { name: 'none found', cached: () => this.#cost(cached, fresh), plain: () => this.#cost(none, fresh) },
    ];
    for (const { cached: own, plain } of contenders) for (let i = 0; i < 3; i++) await own().then(plain);
    // From now on, an entry that is added takes the place of another.
    while (cached.stats.cache?.rejected === 0) await this.#cost(cached, fresh);
    const costs = contenders.map(() => ({ cached: [] as Cost[], plain: [] as Cost[] }));
    for (let round = 0; round < rounds; round++)
      for (const [i, contender] of contenders.entries()) {
        costs[i].plain.push(await contender.plain());
        costs[i].cached.push(await contender.cached());
      }
    for (const [i, { name }] of contenders.entries()) {
      const of = (field: keyof Cost): [number, number] => {
        const ratios = costs[i].cached.map((cost, round) => cost[field] / costs[i].plain[round][field]);
        return [median(costs[i].cached.map((cost) => cost[field])), median(ratios)];
      };
      const [[us, usRatio], [ms, msRatio]] = [of('us'), of('ms')];
      const cells = [
        String(this.#samples),
        name,
        us.toFixed(0),
        usRatio.toFixed(2),
        ms.toFixed(3),
        msRatio.toFixed(2),
      ];
      console.log(cells.map((cell) => cell.padStart(15)).join(''));
    }
  }

  async #cost(ranker: Ranker, bagsOf: (i: number) => KeyedBags): Promise<Cost> {
    const bags = Array.from({ length: this.#calls }, (_, i) => bagsOf(i));
    const took: number[] = [];
    const before = ownCpuUs() + cpuUsOf(this.#pids);
    for (const own of bags) {
      const began = performance.now();
      (await ranker.lookup(own))[Symbol.dispose]();
      took.push(performance.now() - began);
    }
    return { us: (ownCpuUs() + cpuUsOf(this.#pids) - before) / this.#calls, ms: median(took) };
  }

  /** A row that comes again only when all others have come: their number is a power of 2. */
  readonly #nextOne = (): number => (Math.imul(this.#ones++, 0x9e3779b1) >>> 0) % this.#rows;
  readonly #next = (): number => mix32(this.#others++) % this.#rows;

  /** Bags that were not drawn before. */
  #bags(): KeyedBags {
    const entries = lookups.map((length, i) => {
      const next = length === 1 ? this.#nextOne : this.#next;
      const keys = Uint32Array.from({ length: length * this.#samples }, next);
      const lengths = new Uint32Array(this.#samples).fill(length);
      return [`f${i}`, { table: length === 1 ? 'a' : 'b', keys, lengths }];
    });
    return Object.fromEntries(entries);
  }
}
