// Two engines beside one, when the memory nodes are elsewhere: replies take time, but no processor of this machine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineThreads } from '../../src/engine/engine-control.ts';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { ownConnectionsMax } from '../../src/engine-limits.ts';
import { engineThreads } from '../../src/host/engine-threads.ts';
import { loadHostings } from '../../src/host/file-shards.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { mlperfTables } from '../../test/85.system/mlperf.ts';
import { writeTables } from '../../test/tables-file.ts';
import { median } from '../measure.ts';
import type { Elsewhere } from './elsewhere-thread.ts';
import { bagsOf, type Load, sample } from './load.ts';

const delayMs = 0.2;
const nodeCount = 4;

interface Contender {
  readonly name: string;
  readonly engines: number;
  /** As EngineRankerOptions. */
  readonly ownConnections: number;
}

const contenders: readonly Contender[] = [
  { name: '1 engine', engines: 1, ownConnections: ownConnectionsMax },
  { name: '2 engines, each with all connections', engines: 2, ownConnections: ownConnectionsMax },
  { name: '2 engines, connections shared out', engines: 2, ownConnections: 0 },
];

export async function run({ quick }: { readonly quick: boolean }): Promise<object> {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-scaling-'));
  try {
    const file = join(folder, 'tables.safetensors');
    const tables = mlperfTables();
    await writeTables(file, tables);
    const nodes = Array.from({ length: nodeCount }, (_, i) => ({ id: `n${i}` }));
    const specs = tables.map(({ spec }) => ({ spec }));
    const { routing: planned } = planSharding({ tables: specs, nodes, split: 'table' });
    const urls = planned.nodes.map(({ id }) => ({ id, url: `http://${id}.elsewhere` }));
    const routing = { ...planned, nodes: urls };
    // Each engine has slots of its own in the memory of the nodes.
    const workers = contenders.reduce((sum, { engines }) => sum + engines, 0);
    const hosted = urls.map(async ({ id, url }) => {
      return { id, url, hostings: await loadHostings({ tables: file, routing, node: id, workers }) };
    });
    const nodesOf = await Promise.all(hosted);
    const elsewhere = Array.from({ length: workers }, (_, i): Elsewhere => {
      return { delayMs, nodes: nodesOf.map(({ id, url, hostings }) => ({ id, url, hosting: hostings[i] })) };
    });
    console.log(
      `MLPerf's shape over ${nodeCount} memory nodes that answer after ${delayMs} ms. 64 lookups at a time. Medians.`,
    );
    console.log('batch | lookups/s | of one engine | contender');
    const results: object[] = [];
    for (const batch of quick ? [1] : [1, 16]) {
      let engines = 0;
      const rankers: Ranker[] = [];
      for (const contender of contenders) {
        rankers.push(await open(routing, elsewhere.slice(engines), contender));
        engines += contender.engines;
      }
      const load = { bags: bagsOf(batch), atOnce: 64, lookups: quick ? 500 : Math.ceil(30_000 / batch) };
      for (const { name, perSecond, ratio } of await race(rankers, load, quick ? 1 : 7)) {
        results.push({ batch, name, perSecond, ratio });
        console.log(
          `${String(batch).padStart(5)} | ${perSecond.toFixed(0).padStart(9)} | ${ratio.toFixed(2).padStart(13)} | ${name}`,
        );
      }
      await Promise.all(rankers.map((ranker) => ranker.close()));
    }
    return { results };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function open(
  routing: Parameters<typeof fixedRouting>[0],
  elsewhere: readonly Elsewhere[],
  { engines, ownConnections }: Contender,
): Promise<Ranker> {
  const file = new URL('./elsewhere-thread.ts', import.meta.url);
  const threads: EngineThreads = {
    ...engineThreads(undefined),
    start: (setup, ...rest) => engineThreads(elsewhere[setup.place], file).start(setup, ...rest),
  };
  const how = { pushDown: 'always', checksums: false } as const;
  return await EngineRanker.open(
    { routing: fixedRouting(routing), engines, ownConnections, ...how },
    threads,
  );
}

/** Samples all contenders in turn. @returns medians, beside the first */
async function race(
  rankers: readonly Ranker[],
  load: Load,
  rounds: number,
): Promise<{ name: string; perSecond: number; ratio: number }[]> {
  for (let i = 0; i < 2; i++) for (const ranker of rankers) await sample(ranker, load);
  const all: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const row: number[] = [];
    for (const ranker of rankers) row.push((await sample(ranker, load)).perSecond);
    all.push(row);
  }
  return contenders.map(({ name }, i) => ({
    name,
    perSecond: median(all.map((row) => row[i])),
    ratio: median(all.map((row) => row[i] / row[0])),
  }));
}
