// npm run bench -- swap: what lookups take while a new version of all tables takes the place of the one before.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { writeRouting } from '../../src/host/file-routing.ts';
import { NodeProcess } from '../../src/host/node-process.ts';
import { openTransport } from '../../src/host/open-transport.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { type RollOutStep, rollOut } from '../../src/host/roll-out.ts';
import { nextVersion } from '../../src/plan/next-release.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { describe, environment } from '../environment.ts';
import { median, quantile } from '../measure.ts';
import { Leftovers } from '../serving/leftovers.ts';
import type { Heard, RankerSetting } from './ranker.ts';
import { rowsOf, writeVersion } from './tables.ts';

/** How long nothing happens before each swap. */
const calmMs = 3_000;
const quickCalmMs = 500;

/** Parts of a swap: nothing happens; nodes load; rankers go over, and the nodes free what was served before. */
const parts = ['calm', 'loading', 'going over'] as const;
type Part = (typeof parts)[number];

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly lookups: number;
  readonly seconds: number;
}

export async function run(args: string[]): Promise<void> {
  const options = {
    swaps: { type: 'string', default: '9' },
    nodes: { type: 'string', default: '2' },
    mib: { type: 'string', default: '400' },
    share: { type: 'string', default: '0.3' },
    quick: { type: 'boolean', default: false },
  } as const;
  const { swaps, nodes, mib, share, quick } = parseArgs({ args, options }).values;
  const rows = rowsOf((quick ? 32 : Number(mib)) * 2 ** 20);
  console.log(describe(environment()));
  await using stack = new AsyncDisposableStack();
  const leftovers = new Leftovers();
  const folder = leftovers.directory();
  const plan = await started(stack, folder, Number(nodes), rows);
  const setting: RankerSetting = { plan, rows, share: Number(share) };
  const ranker = leftovers.child(fork(join(import.meta.dirname, 'ranker.ts'), [JSON.stringify(setting)]));
  const [{ perSecond = 0 }] = (await once(ranker, 'message')) as [Heard];
  const heard = async (): Promise<Heard> => {
    ranker.send('');
    return (await once(ranker, 'message'))[0] as Heard;
  };
  const file = (version: number): string => join(folder, `${version % 2}.safetensors`);
  const times = new Map<Part, Figures[]>(parts.map((part) => [part, []]));
  let failed = 0;
  for (let version = 2; version < 2 + (quick ? 2 : Number(swaps)); version++) {
    const tables = await plannedTables(file(version), undefined);
    await heard();
    const marks = [now()];
    await sleep(quick ? quickCalmMs : calmMs);
    marks.push(now());
    await swapped(
      plan,
      (serving) => nextVersion(serving, tables, version, file(version)),
      (step) => {
        if (step !== 'begin') marks.push(now());
      },
    );
    const lookups = await heard();
    failed += lookups.failed;
    for (const [i, part] of parts.entries())
      times.get(part)?.push(figuresOf(lookups, marks[i], marks[i + 1]));
  }
  await leftovers.end(ranker);
  const load = `${perSecond.toFixed(0)} lookups per second, ${share} of what a busy ranker does`;
  console.log(
    `${nodes} nodes, ${load}; medians of ${times.get('calm')?.length} swaps; ${failed} lookups failed`,
  );
  report(times);
}

/** Starts the nodes. @returns the file of their cluster */
async function started(
  stack: AsyncDisposableStack,
  folder: string,
  count: number,
  rows: number,
): Promise<string> {
  for (const version of [0, 1]) await writeVersion(join(folder, `${version}.safetensors`), version, rows);
  const file = join(folder, '1.safetensors');
  const tables = await plannedTables(file, undefined);
  const nodes = Array.from({ length: count }, (_, i) => ({ id: `n${i}` }));
  const plan = join(folder, 'plan.json');
  await writeRouting(plan, planSharding({ tables, nodes, split: 'row' }).routing);
  const urls = await Promise.all(
    nodes.map(async ({ id }) => {
      const given = ['--tables', file, '--plan', plan, '--node', id, '--workers', '1', '--headroom', '1'];
      const process = new NodeProcess(id, given);
      stack.defer(() => process.stop());
      return { id, url: (await process.ready()).url };
    }),
  );
  await writeRouting(plan, planSharding({ tables, nodes: urls, split: 'row' }).routing);
  return plan;
}

async function swapped(
  plan: string,
  next: (serving: Parameters<typeof nextVersion>[0]) => ReturnType<typeof nextVersion>,
  onStep: (step: RollOutStep) => void,
): Promise<void> {
  const store = await openClusterSource(plan);
  const transport = await openTransport({ name: 'stream', security: {}, device: undefined });
  await rollOut(store, next((await store.read()).cluster.serving), { transport, onStep });
  await transport.close();
  await store.close();
}

/** Milliseconds since 1970, as the ranker has them. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function figuresOf({ beganAt, ms }: Heard, from: number, to: number): Figures {
  const took = ms.filter((_, i) => beganAt[i] >= from && beganAt[i] < to);
  const seconds = (to - from) / 1_000;
  return { p50: quantile(took, 0.5), p99: quantile(took, 0.99), lookups: took.length, seconds };
}

function report(times: ReadonlyMap<Part, readonly Figures[]>): void {
  const calm = times.get('calm') ?? [];
  console.log('                p50, ms  p99, ms     p50 ×   p99 ×   lookups  seconds');
  for (const [part, figures] of times) {
    const of = (field: keyof Figures): number => median(figures.map((each) => each[field]));
    const against = (field: 'p50' | 'p99'): string =>
      median(figures.map((each, i) => each[field] / calm[i][field])).toFixed(2);
    console.log(
      `${part.padEnd(12)} ${of('p50').toFixed(2).padStart(10)} ${of('p99').toFixed(2).padStart(8)} ` +
        `${against('p50').padStart(9)} ${against('p99').padStart(7)} ` +
        `${of('lookups').toFixed(0).padStart(9)} ${of('seconds').toFixed(2).padStart(8)}`,
    );
  }
}
