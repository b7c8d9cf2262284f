// Windows: four nodes, one of them slow or none, with windows that follow what nodes do and with fixed ones.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Leftovers } from '../serving/leftovers.ts';
import { writeTables } from '../serving/rows.ts';
import type { WindowOptions, WindowResult } from './window-ranker.ts';
import { nodes, slowNode, tables } from './window-tables.ts';

/** Between two replies of the slow node, and between two looks at what it holds. */
const slowReplyMs = 1;
const lookMs = 20;

interface Setting
  extends Pick<WindowOptions, 'everywhere' | 'elsewhere' | 'bags' | 'replyBytes' | 'deadline'> {
  readonly name: string;
  readonly slow: boolean;
}

const mib = 2 ** 20;
const usual = { bags: 16, replyBytes: 64 * mib, deadline: 10_000, everywhere: 128, elsewhere: 16 };
const settings: readonly Setting[] = [
  { ...usual, name: 'one node slow', slow: true },
  { ...usual, name: 'one node slow, 128 bags', slow: true, bags: 128 },
  { ...usual, name: 'one node slow, replies of 1 MiB in all', slow: true, replyBytes: mib },
  { ...usual, name: 'one node slow, deadline 40 ms', slow: true, deadline: 40 },
  { ...usual, name: 'all fast', slow: false },
  { ...usual, name: 'all fast, 128 bags', slow: false, bags: 128 },
  { ...usual, name: 'all fast, 1 bag', slow: false, bags: 1 },
];

interface Measured extends WindowResult {
  /** Of the slow node: subrequests and bytes of slots that it holds, means of all looks. */
  readonly held: number;
  readonly heldBytes: number;
}

export async function windows({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const leftovers = new Leftovers();
  const file = join(leftovers.directory(), 'tables.safetensors');
  await writeTables(file, [...tables]);
  console.log(`\nwindows: ${nodes} nodes, medians of ${rounds} rounds; of pairs: adaptive / fixed`);
  console.log(
    '| setting | window | lookups elsewhere/s | median ms | p99 ms | everywhere/s | median ms | late/s | held at n0 | KiB there | RSS, MiB | CPU ms a lookup |',
  );
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const setting of settings) {
    const children = await startNodes(leftovers, file, setting.slow);
    const results: { adaptive: Measured[]; fixed: Measured[] } = { adaptive: [], fixed: [] };
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? (['adaptive', 'fixed'] as const) : (['fixed', 'adaptive'] as const);
      for (const window of order)
        results[window].push(
          await ask(leftovers, children, { ...setting, seconds, fixed: window === 'fixed' }),
        );
    }
    for (const window of ['fixed', 'adaptive'] as const)
      console.log(rowOf(setting.name, window, results[window], seconds));
    const ratio = (of: (result: Measured) => number): string =>
      median(results.adaptive.map((result, i) => of(result) / of(results.fixed[i]))).toFixed(3);
    const [elsewhere, everywhere] = [
      ratio((r) => r.elsewhere.perSecond),
      ratio((r) => r.everywhere.perSecond),
    ];
    const cpu = ratio(cpuOf);
    console.log(`| ${setting.name} | pairs | ${elsewhere} | | | ${everywhere} | | | | | | ${cpu} |`);
    for (const { child } of children) await leftovers.end(child);
  }
}

interface NodeChild {
  readonly child: ChildProcess;
  readonly port: number;
}

async function startNodes(leftovers: Leftovers, file: string, slow: boolean): Promise<NodeChild[]> {
  const started = tables.map(async (_, i) => {
    const args = [file, String(i), String(slow && i === slowNode ? slowReplyMs : 0)];
    const child = leftovers.child(fork(join(import.meta.dirname, 'window-node.ts'), args));
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return { child, port };
  });
  return await Promise.all(started);
}

async function ask(
  leftovers: Leftovers,
  children: readonly NodeChild[],
  options: Omit<WindowOptions, 'ports'>,
): Promise<Measured> {
  const ports = children.map(({ port }) => port);
  const args = [JSON.stringify({ ...options, ports })];
  const ranker = leftovers.child(fork(join(import.meta.dirname, 'window-ranker.ts'), args));
  const looks: { held: number; bytes: number }[] = [];
  const { child } = children[slowNode];
  const look = (seen: unknown): void => void looks.push(seen as { held: number; bytes: number });
  child.on('message', look);
  const timer = setInterval(() => child.send('look'), lookMs);
  const [result] = (await once(ranker, 'message')) as [WindowResult];
  clearInterval(timer);
  child.off('message', look);
  await once(ranker, 'exit');
  // While it starts, nothing is asked.
  const busy = looks.filter(({ held }) => held > 0);
  return {
    ...result,
    held: mean(busy.map(({ held }) => held)),
    heldBytes: mean(busy.map(({ bytes }) => bytes)),
  };
}

function rowOf(name: string, window: string, results: readonly Measured[], seconds: number): string {
  const of = (value: (result: Measured) => number): number => median(results.map(value));
  const cells = [
    of((r) => r.elsewhere.perSecond).toFixed(0),
    of((r) => r.elsewhere.medianMs).toFixed(2),
    of((r) => r.elsewhere.p99Ms).toFixed(1),
    of((r) => r.everywhere.perSecond).toFixed(0),
    of((r) => r.everywhere.medianMs).toFixed(1),
    of((r) => (r.everywhere.late + r.elsewhere.late) / seconds).toFixed(0),
    of((r) => r.held).toFixed(0),
    of((r) => r.heldBytes / 1_024).toFixed(0),
    of((r) => r.rssBytes / mib).toFixed(0),
    of(cpuOf).toFixed(3),
  ];
  return `| ${[name, window, ...cells].join(' | ')} |`;
}

function cpuOf({ cpuMs, elsewhere, everywhere }: Measured): number {
  return cpuMs / (elsewhere.perSecond + everywhere.perSecond);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
