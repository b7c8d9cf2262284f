// Windows of sessions that follow what nodes do, and fixed ones: simulated with a slow node, and in processes with fast ones.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Leftovers } from '../serving/leftovers.ts';
import { writeTables } from '../serving/rows.ts';
import type { RankerResult } from './window-ranker.ts';
import { nodes, tables, type WindowResult, type WindowSetting } from './window-tables.ts';

type Setting = Omit<WindowSetting, 'fixed' | 'seconds'>;

const mib = 2 ** 20;
const usual = { bags: 16, replyBytes: 64 * mib, deadline: 10_000, everywhere: 128, elsewhere: 16 };
const simulated: readonly Setting[] = [
  { ...usual, name: 'one node slow', slow: true },
  { ...usual, name: 'one node slow, 1 MiB for replies', slow: true, replyBytes: mib },
  { ...usual, name: 'one node slow, 128 bags', slow: true, bags: 128 },
  { ...usual, name: 'one node slow, deadline 40 ms', slow: true, deadline: 40 },
  { ...usual, name: 'all fast', slow: false },
];
const simulatedSeconds = 2;
const measured: readonly Setting[] = [1, 16, 128].map((bags) => {
  return { ...usual, name: `all fast, bags: ${bags}`, slow: false, bags };
});

export async function windows({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const leftovers = new Leftovers();
  await simulate(leftovers);
  await measure(leftovers, rounds, seconds);
}

async function run<Result>(leftovers: Leftovers, script: string, options: object): Promise<Result> {
  const child = leftovers.child(fork(join(import.meta.dirname, script), [JSON.stringify(options)]));
  const exit = once(child, 'exit');
  const [result] = (await once(child, 'message')) as [Result];
  await exit;
  return result;
}

/** Simulated seconds are the same on every machine, whatever else it does. */
async function simulate(leftovers: Leftovers): Promise<void> {
  console.log(`\nwindows, simulated: ${nodes} nodes, ${simulatedSeconds} s`);
  console.log(
    '| setting | window | without n0/s | median ms | p99 ms | with n0/s | median ms | late/s | in flight to n0 | KiB |',
  );
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const setting of simulated) {
    for (const fixed of [true, false]) {
      const options = { ...setting, seconds: simulatedSeconds, fixed };
      const result: WindowResult = await run(leftovers, 'window-simulation.ts', options);
      const { elsewhere, everywhere, held, heldBytes } = result;
      const cells = [
        elsewhere.perSecond.toFixed(0),
        elsewhere.medianMs.toFixed(2),
        elsewhere.p99Ms.toFixed(2),
        everywhere.perSecond.toFixed(0),
        everywhere.medianMs.toFixed(1),
        (everywhere.late / simulatedSeconds).toFixed(0),
        held.toFixed(1),
        (heldBytes / 1_024).toFixed(0),
      ];
      console.log(`| ${[setting.name, fixed ? 'fixed' : 'adaptive', ...cells].join(' | ')} |`);
    }
  }
}

async function measure(leftovers: Leftovers, rounds: number, seconds: number): Promise<void> {
  const file = join(leftovers.directory(), 'tables.safetensors');
  await writeTables(file, [...tables]);
  console.log(
    `\nwindows, in processes: ${nodes} nodes, adaptive / fixed, medians of ${rounds} pairs (quartiles)`,
  );
  console.log('| setting | lookups/s | processor time of a lookup |\n| --- | ---: | ---: |');
  const started = tables.map((_, i) => startNode(leftovers, file, i));
  const ports = await Promise.all(started);
  for (const setting of measured) {
    const [rates, times]: number[][] = [[], []];
    for (let round = 0; round < rounds; round++) {
      const results = new Map<boolean, RankerResult>();
      for (const fixed of round % 2 === 0 ? [true, false] : [false, true])
        results.set(fixed, await run(leftovers, 'window-ranker.ts', { ...setting, seconds, fixed, ports }));
      const of = (value: (result: RankerResult) => number): number => {
        const [fixed, adaptive] = [results.get(true), results.get(false)];
        return fixed && adaptive ? value(adaptive) / value(fixed) : Number.NaN;
      };
      rates.push(of(rateOf));
      times.push(of((result) => result.cpuMs / (rateOf(result) * seconds)));
    }
    console.log(`| ${setting.name} | ${spread(rates)} | ${spread(times)} |`);
  }
}

async function startNode(leftovers: Leftovers, file: string, number: number): Promise<number> {
  const args = [file, String(number)];
  const child: ChildProcess = leftovers.child(fork(join(import.meta.dirname, 'window-node.ts'), args));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return port;
}

function rateOf({ elsewhere, everywhere }: RankerResult): number {
  return elsewhere.perSecond + everywhere.perSecond;
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2);
  return `${at(0.5)} (${at(0.25)} … ${at(0.75)})`;
}
