// What it costs to let one engine do the lookups, instead of the thread that asks.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRouting } from '../../src/host/file-routing.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { LatencyNode } from '../../test/85.system/latency.ts';
import { mlperfTables } from '../../test/85.system/mlperf.ts';
import { writeTables } from '../../test/tables-file.ts';
import { median } from '../measure.ts';
import { bagsOf, type Sample, sample } from './load.ts';

interface Setting {
  readonly batch: number;
  readonly atOnce: number;
}

export interface HandOver extends Setting {
  readonly inline: Sample;
  readonly engine: Sample;
  /** Medians over pairs: microseconds more until half of the lookups have ended, and ratios of processor time. */
  readonly addedUs: number;
  readonly processRatio: number;
  readonly threadRatio: number;
}

const settings: readonly Setting[] = [1, 16, 128].flatMap((batch) =>
  [1, 16].map((atOnce) => ({ batch, atOnce })),
);

export async function run({ quick }: { readonly quick: boolean }): Promise<object> {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-hand-over-'));
  try {
    const tables = mlperfTables();
    const nodes = [{ id: 'n0' }];
    const specs = tables.map(({ spec }) => ({ spec }));
    const { routing: planned } = planSharding({ tables: specs, nodes, split: 'table' });
    const [file, plan] = [join(folder, 'tables.safetensors'), join(folder, 'plan.json')];
    await writeTables(file, tables);
    await writeRouting(plan, planned);
    await using node = await LatencyNode.start(file, plan, 'n0');
    const routing = { ...planned, nodes: [{ id: 'n0', url: node.url }] };
    const results: HandOver[] = [];
    console.log("MLPerf's shape; one memory node in a process of its own, by streams. Medians of pairs.");
    console.log(
      'batch  at once | p50 us: inline, engine, more | CPU us a lookup: inline, engine, ratio | of the thread that asks: inline, engine, ratio',
    );
    for (const setting of quick ? settings.slice(0, 1) : settings) {
      const result = await compare(routing, setting, quick);
      results.push(result);
      console.log(line(result));
    }
    return { results };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(
  routing: Parameters<typeof openRanker>[0]['routing'],
  { batch, atOnce }: Setting,
  quick: boolean,
): Promise<HandOver> {
  const load = { bags: bagsOf(batch), atOnce, lookups: Math.ceil((quick ? 200 : 3_000) / Math.sqrt(batch)) };
  const pushDown = 'always';
  await using inline = await openRanker({ routing, pushDown });
  await using engine = await openRanker({ routing, pushDown, engines: 1 });
  for (let i = 0; i < (quick ? 1 : 3); i++) for (const ranker of [inline, engine]) await sample(ranker, load);
  const pairs: { inline: Sample; engine: Sample }[] = [];
  for (let i = 0; i < (quick ? 1 : 9); i++)
    pairs.push({ inline: await sample(inline, load), engine: await sample(engine, load) });
  const of = (value: (pair: (typeof pairs)[number]) => number): number => median(pairs.map(value));
  return {
    ...{ batch, atOnce },
    inline: middle(pairs.map((pair) => pair.inline)),
    engine: middle(pairs.map((pair) => pair.engine)),
    addedUs: of((pair) => pair.engine.p50Us - pair.inline.p50Us),
    processRatio: of((pair) => pair.engine.processUs / pair.inline.processUs),
    threadRatio: of((pair) => pair.engine.threadUs / pair.inline.threadUs),
  };
}

function middle(samples: readonly Sample[]): Sample {
  const of = (field: keyof Sample): number => median(samples.map((one) => one[field]));
  return {
    ...{ p50Us: of('p50Us'), p99Us: of('p99Us'), perSecond: of('perSecond') },
    ...{ processUs: of('processUs'), threadUs: of('threadUs') },
  };
}

function line({ batch, atOnce, inline, engine, addedUs, processRatio, threadRatio }: HandOver): string {
  const us = (value: number): string => value.toFixed(1).padStart(8);
  const ratio = (value: number): string => value.toFixed(2).padStart(7);
  return [
    [String(batch).padStart(5), String(atOnce).padStart(8)].join(''),
    [inline.p50Us, engine.p50Us, addedUs].map(us).join(''),
    [...[inline.processUs, engine.processUs].map(us), ratio(processRatio)].join(''),
    [...[inline.threadUs, engine.threadUs].map(us), ratio(threadRatio)].join(''),
  ].join(' | ');
}
