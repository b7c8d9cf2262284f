// npm run bench -- simulated-large: how long it takes to simulate a large cluster, and in how much memory.
import { parseArgs } from 'node:util';
import { planSharding, type RoutingTable } from '../../src/index.ts';
import type { Costs } from '../../src/simulation/costs.ts';
import { simulateCluster } from '../../src/simulation/simulate-cluster.ts';
import { syntheticWorkload } from '../../src/simulation/workload.ts';
import { describe, environment } from '../environment.ts';

/** They do not matter for the time that a simulation takes. */
const costs: Costs = {
  thread: { wake: 0, read: 4_500, write: 4_500, rest: 700 },
  node: { subrequest: 2_500, segment: 120, key: 7, rowByte: 0.02, replyByte: 0.2 },
  ranker: { lookup: 2_000, feature: 350, key: 6, subrequest: 2_000, replyByte: 0.2 },
};

const tables = 26;
const rowsPerTable = 100_000_000;

export async function run(args: string[]): Promise<void> {
  const options = {
    nodes: { type: 'string', default: '1000' },
    rankers: { type: 'string', default: '100' },
    rate: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '10' },
  } as const;
  const { nodes, rankers, rate, seconds } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const routing = cutOverAll(Number(nodes));
  const begun = performance.now();
  const { lookups, events } = await simulateCluster({
    ...{ routing, costs, seed: 1, seconds: Number(seconds), rankers: Number(rankers), workers: 1 },
    ...{ workload: syntheticWorkload(routing, {}, 0), load: { perSecond: Number(rate) } },
    ...{ delayMs: 0.1, bytesPerMs: undefined, deadline: 5_000, cache: 'off', pushDown: 'auto', deaths: [] },
  });
  const took = (performance.now() - begun) / 1000;
  const { answered, p50Ms, p99Ms } = lookups.report(Number(seconds));
  console.log(`${nodes} nodes, ${rankers} rankers with ${rate} lookups/s each, ${seconds} s on their clock`);
  console.log(`${answered} lookups answered, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`);
  const { maxRSS } = process.resourceUsage();
  const rates = `${events} events, ${Math.round(events / took)} a second; at most ${Math.round(maxRSS / 1024)} MiB`;
  console.log(`${took.toFixed(0)} s, ${rates}`);
}

/** Each table is cut over its share of the nodes. */
function cutOverAll(count: number): RoutingTable {
  const share = Math.max(1, Math.floor(count / tables));
  const nodes = Array.from({ length: count }, (_, i) => ({ id: `node${i}` }));
  const planned = Array.from({ length: tables }, (_, table) => {
    const own = Array.from({ length: share }, (_node, i) => nodes[(table * share + i) % count]);
    const spec = { name: `table${table}`, rows: rowsPerTable, dim: 64, mode: 'sum', dtype: 'f32' } as const;
    return planSharding({ tables: [{ spec }], nodes: own, split: 'row' }).routing.tables[0];
  });
  return { nodes, tables: planned };
}
