// npm run bench -- replicas: what a second replica costs a lookup, and what hedges do while one of two replicas stalls.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { writeRouting } from '../src/host/file-routing.ts';
import { NodeProcess } from '../src/host/node-process.ts';
import { openRanker } from '../src/host/open-ranker.ts';
import type { KeyedBags } from '../src/plan/bags.ts';
import { planSharding } from '../src/plan/planner.ts';
import type { RoutingTable } from '../src/plan/routing-table.ts';
import type { Ranker } from '../src/ranker/ranker.ts';
import { writeSafetensors } from '../src/store/safetensors-writer.ts';
import { describe, environment } from './environment.ts';
import { median } from './measure.ts';

const features = 26;
const rows = 20_000;
const dim = 16;
const nodes = ['n0', 'n1', 'n2'] as const;
/** Lookups in flight while costs are measured, and lookups of one sample. */
const inFlight = 8;
const sampleLookups = 800;
const warmSamples = 5;
/** Lookups per second while a replica stalls, again and again: how long it does, and how long it goes on in between. */
const rate = 200;
const stallMs = 300;
const calmMs = 700;

const names = Array.from({ length: features }, (_, i) => `t${i}`);
const bags: KeyedBags = Object.fromEntries(
  names.map((name, i) => [name, { keys: Uint32Array.of((i * 997) % rows), lengths: Uint32Array.of(1) }]),
);

/** Nodes of a plan, each in its own process. */
interface Started {
  readonly routing: RoutingTable;
  readonly processes: readonly NodeProcess[];
}

export async function run(args: string[]): Promise<void> {
  const options = {
    pairs: { type: 'string', default: '31' },
    seconds: { type: 'string', default: '10' },
    only: { type: 'string' },
  } as const;
  const { pairs, seconds, only } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-replicas-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'tables.safetensors');
  const data = new Float32Array(rows * dim).fill(1);
  const listed = names.map((name) => ({ name, rows, dim, mode: 'sum', tensor: name }));
  await writeSafetensors(
    file,
    names.map((name) => ({ name, dtype: 'F32', shape: [rows, dim], data })),
    { tables: JSON.stringify(listed) },
  );
  const twice = await started(stack, folder, file, 2);
  if (only !== 'stall') await cost(await started(stack, folder, file, 1), twice, Number(pairs));
  if (only !== 'cost') await stall(twice, Number(seconds) * 1_000);
}

async function started(
  stack: AsyncDisposableStack,
  folder: string,
  file: string,
  replicas: number,
): Promise<Started> {
  const { routing } = planSharding({
    tables: names.map((name) => ({ spec: { name, rows, dim, mode: 'sum' } })),
    nodes: nodes.map((id) => ({ id })),
    split: 'table',
    replicas,
  });
  const plan = join(folder, `plan${replicas}.json`);
  await writeRouting(plan, routing);
  const processes = nodes.map((id) => new NodeProcess(id, ['--tables', file, '--plan', plan, '--node', id]));
  for (const process of processes) stack.defer(() => process.stop());
  const ready = await Promise.all(processes.map((process) => process.ready()));
  return { processes, routing: { ...routing, nodes: nodes.map((id, i) => ({ id, url: ready[i].url })) } };
}

/** CPU of the ranker for one lookup, when nothing fails. */
async function cost(once: Started, twice: Started, pairs: number): Promise<void> {
  const open = (routing: RoutingTable, hedge: boolean): Promise<Ranker> =>
    openRanker({ routing, transport: 'stream', hedge });
  const kinds = [
    ['1 node per shard', await open(once.routing, true)],
    ['2 replicas, no hedges', await open(twice.routing, false)],
    ['2 replicas', await open(twice.routing, true)],
  ] as const;
  const used = kinds.map((): number[] => []);
  for (let pair = -warmSamples; pair < pairs; pair++) {
    const turns = pair % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
    for (const i of turns) {
      const us = await cpuUs(kinds[i][1]);
      if (pair >= 0) used[i][pair] = us;
    }
  }
  console.log(`\nCPU of the ranker per lookup of ${features} tables, medians of ${pairs} pairs`);
  for (const [i, [name, ranker]] of kinds.entries()) {
    const ratio = median(used[i].map((us, pair) => us / used[0][pair]));
    const { subrequests, hedged } = ranker.stats;
    const share = ((100 * hedged) / subrequests).toFixed(2);
    console.log(
      `${name.padEnd(24)}${median(used[i]).toFixed(1).padStart(7)} µs ${ratio.toFixed(3)} × ${share} % hedged`,
    );
    await ranker.close();
  }
}

async function cpuUs(ranker: Ranker): Promise<number> {
  const before = process.cpuUsage();
  const one = async (): Promise<void> => {
    for (let i = 0; i < sampleLookups / inFlight; i++) (await ranker.lookup(bags))[Symbol.dispose]();
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / sampleLookups;
}

/** Latencies while nothing fails, and while one of three nodes stalls, with and without hedges. */
async function stall({ routing, processes }: Started, ms: number): Promise<void> {
  console.log(`\n${rate} lookups per second; n0 stalls for ${stallMs} of ${stallMs + calmMs} ms`);
  for (const hedge of [true, false]) {
    await using ranker = await openRanker({ routing, transport: 'stream', hedge });
    await load(ranker, 2_000);
    for (const stalls of [false, true]) {
      const before = ranker.stats;
      const stop = new AbortController();
      const stalling = stalls ? stallAgain(processes[0].pid ?? 0, stop.signal) : undefined;
      const { p50, p99, worst, failed } = await load(ranker, ms);
      stop.abort();
      await stalling;
      const { hedged, subrequests } = ranker.stats;
      const share = (100 * (hedged - before.hedged)) / (subrequests - before.subrequests);
      console.log(
        `${hedge ? 'hedges' : 'no hedges'}, ${stalls ? 'n0 stalls' : 'calm'}:`.padEnd(24) +
          ` p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, worst ${worst.toFixed(0)} ms, ` +
          `${failed} failed, ${share.toFixed(2)} % hedged`,
      );
    }
  }
}

async function stallAgain(pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    process.kill(pid, 'SIGSTOP');
    await sleep(stallMs);
    process.kill(pid, 'SIGCONT');
    await sleep(calmMs);
  }
}

/** Lookups that begin at their times, whether earlier ones have ended or not. */
async function load(
  ranker: Ranker,
  ms: number,
): Promise<{ readonly p50: number; readonly p99: number; readonly worst: number; readonly failed: number }> {
  const took: number[] = [];
  let failed = 0;
  const began = performance.now();
  const all: Promise<void>[] = [];
  for (let i = 0; i < (ms * rate) / 1_000; i++) {
    const at = began + (i * 1_000) / rate;
    await sleep(Math.max(0, at - performance.now()));
    const since = performance.now();
    const end = (): void => void took.push(performance.now() - since);
    all.push(ranker.lookup(bags).then(end, () => void failed++));
  }
  await Promise.all(all);
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(took.length * share)];
  return { p50: at(0.5), p99: at(0.99), worst: took[took.length - 1], failed };
}
