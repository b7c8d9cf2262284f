// npm run bench -- engines --only skewed: a ranker with two engines, whose load is skewed over nodes, and shifts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadHostings } from '../../src/host/file-shards.ts';
import { planSharding, type RoutingTable } from '../../src/index.ts';
import { writeTables } from '../../test/tables-file.ts';
import { median } from '../measure.ts';
import { bestStatic } from './best-static.ts';
import { randomNumbers, zipfDemands } from './demand.ts';
import type { Elsewhere } from './elsewhere-thread.ts';
import { roundRobin } from './model.ts';
import { dim, elementOf, rowsPerNode, type Shape, SkewedLoad, shapeOf, sliceMs } from './skewed-load.ts';
import { SkewedRanker } from './skewed-ranker.ts';

const nodeCount = 8;
const engines = 2;
/** Replies arrive after so long, and take no processor. */
const delayMs = 1;
/** So much that two engines serve about 1,000 lookups per second, and everything else takes a small part of their time. */
const emulatedMsPerKiB = 0.0125;
const exponents = [0.9, 1.2];
const slicesPerSecond = 1000 / sliceMs;

/** Who decides which engine has which connection. */
const deciders = ['round robin', 'best static', 'balancer'] as const;
type Decider = (typeof deciders)[number];

interface Course {
  readonly exponent: number;
  readonly shapes: readonly Shape[];
  readonly phaseSeconds: number;
  /** What counts is from here on, after a shift. */
  readonly settledSeconds: number;
  /** How long the last shape lasts, after its phase. */
  readonly steadySeconds: number;
}

/** Lookups per second in each slice of each phase, and the moves that the balancer made. */
interface Ran {
  readonly phases: readonly (readonly number[])[];
  readonly moves: number;
  readonly steady: readonly number[];
  readonly steadyMoves: number;
}

const about = `Real threads: ${engines} engines and the thread that asks. ${nodeCount} memory nodes are elsewhere: replies come after ${delayMs} ms, and take no
processor. EMULATED: for each KiB of a connection, the thread of the engine that owns it stands still for ${1000 * emulatedMsPerKiB} us, and does
nothing else. It takes no processor then, so that two engines have as much as on a machine with more of them. 64 lookups at a time.
Each phase has another random order of nodes. Throughput is beside the best static owners for that phase (all were tried, by
the bytes of nodes), which are set when it begins.

settled   from 2 s after a shift on: the median of all shifts, and the lowest
first     the 2 s after a shift
s         seconds after a shift until a second begins that has 90 % of the best: the median, and the slowest
moves     of the balancer, in all phases; and in the steady load afterwards`;

export async function run({ quick }: { readonly quick: boolean }): Promise<object> {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-skewed-'));
  try {
    console.log(`${about}\n`);
    const { routing, elsewhere } = await cluster(join(folder, 'tables.safetensors'));
    console.log(line(['zipf', 'owners', 'lookups/s', 'settled', 'low', 'first', 's', 'slow', 'moves']));
    const results: object[] = [];
    for (const [seed, exponent] of (quick ? exponents.slice(0, 1) : exponents).entries()) {
      const course = courseOf(exponent, seed, quick);
      const ran = new Map<Decider, Ran>();
      for (const decider of deciders) ran.set(decider, await follow(routing, elsewhere, course, decider));
      results.push(...deciders.map((decider) => report(course, decider, ran)));
    }
    return { results };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function courseOf(exponent: number, seed: number, quick: boolean): Course {
  const random = randomNumbers(seed);
  const shapes = Array.from({ length: quick ? 1 : 6 }, () =>
    shapeOf(zipfDemands(nodeCount, exponent, 1, random), random),
  );
  if (quick) return { exponent, shapes, phaseSeconds: 1.5, settledSeconds: 1, steadySeconds: 1 };
  return { exponent, shapes, phaseSeconds: 5, settledSeconds: 2, steadySeconds: 180 };
}

/** One table on each node. Each engine has all rows in memory, to make a reply when it is asked for the first time. */
async function cluster(file: string): Promise<{ routing: RoutingTable; elsewhere: Elsewhere[] }> {
  const tables = Array.from({ length: nodeCount }, (_, i) => {
    const rows = new Float32Array(rowsPerNode * dim).map((_value, at) => elementOf(Math.floor(at / dim)));
    return { spec: { name: `t${i}`, rows: rowsPerNode, dim, mode: 'sum' } as const, rows };
  });
  await writeTables(file, tables);
  const nodes = tables.map((_, i) => ({ id: `n${i}`, url: `http://n${i}.elsewhere` }));
  const planned = tables.map(({ spec }, i) => {
    return planSharding({ tables: [{ spec }], nodes: [nodes[i]], split: 'table' }).routing.tables[0];
  });
  const routing = { nodes, tables: planned };
  const hosted = nodes.map(async ({ id, url }) => {
    return { id, url, hostings: await loadHostings({ tables: file, routing, node: id, workers: engines }) };
  });
  const nodesOf = await Promise.all(hosted);
  const elsewhere = Array.from({ length: engines }, (_, engine) => {
    return {
      ...{ delayMs, emulatedMsPerKiB },
      nodes: nodesOf.map(({ id, url, hostings }) => ({ id, url, hosting: hostings[engine] })),
    };
  });
  return { routing, elsewhere };
}

/** One ranker under all shapes in turn. */
async function follow(
  routing: RoutingTable,
  elsewhere: readonly Elsewhere[],
  { shapes, phaseSeconds, steadySeconds }: Course,
  decider: Decider,
): Promise<Ran> {
  const ranker = await SkewedRanker.open(routing, elsewhere, decider !== 'balancer');
  const load = new SkewedLoad(ranker);
  try {
    await ranker.assign(roundRobin(nodeCount, engines));
    const phases: number[][] = [];
    // The first shape warms up.
    for (const shape of [shapes[shapes.length - 1], ...shapes]) {
      load.shift(shape);
      if (decider === 'best static') await ranker.assign(bestStatic(shape.vectors, engines));
      phases.push(await load.watch(phaseSeconds));
    }
    const { moves } = ranker;
    // What does not move needs no long run.
    const seconds = decider === 'balancer' ? steadySeconds : Math.min(20, steadySeconds);
    const steady = await load.watch(seconds);
    return { phases: phases.slice(1), moves, steady, steadyMoves: ranker.moves - moves };
  } finally {
    await load.stop().finally(() => ranker.close());
  }
}

function report(
  { exponent, settledSeconds, steadySeconds }: Course,
  decider: Decider,
  all: Map<Decider, Ran>,
) {
  const [own, best] = [all.get(decider) as Ran, all.get('best static') as Ran];
  const settled = settledSeconds * slicesPerSecond;
  const bests = best.phases.map((phase) => mean(phase.slice(settled)));
  const shares = own.phases.map((phase, i) => mean(phase.slice(settled)) / bests[i]);
  const firsts = own.phases.map((phase, i) => mean(phase.slice(0, settled)) / bests[i]);
  const seconds = own.phases.map((phase, i) => secondsTo(phase, 0.9 * bests[i]));
  const result = {
    ...{
      exponent,
      decider,
      perSecond: median(own.phases.map((phase) => mean(phase.slice(settled)))),
    },
    ...{ settled: median(shares), lowest: Math.min(...shares), first: median(firsts) },
    ...{ seconds: middle(seconds), slowest: Math.max(...seconds), moves: own.moves },
  };
  console.log(
    line([
      ...[String(exponent), decider, result.perSecond.toFixed(0)],
      ...[result.settled, result.lowest, result.first].map((share) => share.toFixed(3)),
      ...[time(result.seconds), time(result.slowest), String(own.moves)],
    ]),
  );
  if (decider !== 'balancer') return result;
  const steady = mean(own.steady) / mean(best.steady);
  console.log(`steady load, ${steadySeconds} s: ${own.steadyMoves} moves, ${steady.toFixed(3)} of the best`);
  return { ...result, steady, steadySeconds, steadyMoves: own.steadyMoves };
}

function secondsTo(rates: readonly number[], enough: number): number {
  for (let at = 0; at + slicesPerSecond <= rates.length; at++)
    if (mean(rates.slice(at, at + slicesPerSecond)) >= enough) return at / slicesPerSecond;
  return Number.POSITIVE_INFINITY;
}

/** Some may be infinite. */
function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function time(seconds: number): string {
  return seconds === Number.POSITIVE_INFINITY ? 'never' : seconds.toFixed(1);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function line(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(11)).join(' ');
}
