// npm run bench -- simulated: the same plan and the same load on processes that really run, and in a simulation.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openRanker, startLocalCluster } from '../../src/index.ts';
import { calibrate } from '../../src/simulation/calibrate.ts';
import type { Costs } from '../../src/simulation/costs.ts';
import type { LookupsReport } from '../../src/simulation/lookups.ts';
import type { Load } from '../../src/simulation/ranker-thread.ts';
import { simulateCluster } from '../../src/simulation/simulate-cluster.ts';
import { syntheticWorkload } from '../../src/simulation/workload.ts';
import { describe, environment } from '../environment.ts';
import { median } from '../measure.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { writeTables } from '../serving/rows.ts';
import { delayedNetwork } from './delayed-network.ts';
import { RealLoad } from './real-load.ts';

const delayMs = 1;
const inFlight = 16;
/** Shares of the lookups per second that were answered with `inFlight`. */
const shares = [0.2, 0.7];
const keysPerBag = 20;
const bagsPerRequest = 16;

const shapes = Array.from({ length: 8 }, (_, i) => {
  return { name: `table${i}`, rows: 2 ** 18, dim: 64, mode: 'sum', weighted: false } as const;
});

export async function run(args: string[]): Promise<void> {
  const options = { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } } as const;
  const { quick, rounds = quick ? '1' : '5' } = parseArgs({ args, options }).values;
  const seconds = quick ? 1 : 3;
  console.log(describe(environment()));
  const leftovers = new Leftovers();
  const file = join(leftovers.directory(), 'tables.safetensors');
  await writeTables(file, shapes);
  await using cluster = await startLocalCluster({ tables: file, nodes: 2 });
  await using network = await delayedNetwork(leftovers, cluster.routing, delayMs);
  const { routing } = network;
  await using ranker = await openRanker({ routing });
  const loads = Object.fromEntries(shapes.map(({ name }) => [name, { keysPerBag, bagsPerRequest }]));
  const workload = syntheticWorkload(routing, loads, 0);
  const real = new RealLoad(ranker, workload);
  const simulate = async (costs: Costs, load: Load, delays: readonly number[]): Promise<LookupsReport> => {
    const cores = availableParallelism();
    const { lookups } = await simulateCluster({
      ...{ routing, workload, costs, cores, load, seconds, delayMs: delays, seed: 1, rankers: 1, workers: 1 },
      ...{ bytesPerMs: undefined, deadline: 5_000, cache: 'off', pushDown: 'auto', deaths: [] },
    });
    return lookups.report(seconds);
  };
  const pairs = new Map<string, Pair[]>();
  const compare = async (name: string, costs: Costs, load: Load): Promise<Pair> => {
    const delays = await network.measure();
    const measured = await real.run(load, seconds);
    if (measured.failed > 0) throw new Error(`${measured.failed} lookups have failed`);
    const pair = { real: measured, simulated: await simulate(costs, load, delays) };
    pairs.set(name, [...(pairs.get(name) ?? []), pair]);
    return pair;
  };
  for (let round = 0; round < Number(rounds); round++) {
    const costs = await calibrate();
    console.log(`costs in ns: ${JSON.stringify(costs)}`);
    const most = await compare(`${inFlight} in flight`, costs, { inFlight });
    for (const share of shares)
      await compare(`${share * 100} % of that`, costs, { perSecond: share * most.real.perSecond });
  }
  console.log(`\n2 memory nodes, 1 ranker, ${delayMs} ms each way; medians of ${rounds} rounds`);
  for (const [name, all] of pairs) report(name, all);
}

interface Pair {
  readonly real: LookupsReport;
  readonly simulated: LookupsReport;
}

function report(name: string, pairs: readonly Pair[]): void {
  console.log(name);
  for (const field of ['perSecond', 'p50Ms', 'p99Ms'] as const) {
    const of = (which: keyof Pair): number => median(pairs.map((pair) => pair[which][field]));
    const [real, simulated] = [of('real'), of('simulated')];
    const cells = [field, real.toFixed(2), simulated.toFixed(2), (simulated / real).toFixed(2)];
    console.log(cells.map((cell) => cell.padStart(14)).join(''));
  }
}
