// Incast: 64 nodes answer one ranker with large replies at once, with credits for replies and without a bound.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { startChild } from '../serving/child.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { writeTables } from '../serving/rows.ts';
import { nodes, table } from './big-table.ts';
import type { IncastResult } from './incast-ranker.ts';

const processes = 2;
const budgetBytes = 8 * 2 ** 20;
/** As good as none. */
const unboundedBytes = 2 ** 40;
const lookupsAtOnce = 16;
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

export interface IncastOptions {
  readonly rounds: number;
  readonly seconds: number;
}

export async function incast({ rounds, seconds }: IncastOptions): Promise<void> {
  const leftovers = new Leftovers();
  const file = join(leftovers.directory(), 'big.safetensors');
  await writeTables(file, [table]);
  const children: ChildProcess[] = [];
  const ports: number[] = [];
  for (let i = 0; i < processes; i++) {
    const share = [file, String((i * nodes) / processes), String(nodes / processes)];
    const program = join(import.meta.dirname, 'node-process.ts');
    const { child, message } = await startChild<{ ports: number[] }>(leftovers, program, share);
    ports.push(...message.ports);
    children.push(child);
  }
  const ask = async (bytes: number, atOnce: number): Promise<IncastResult> => {
    const args = [JSON.stringify(ports), String(bytes), String(atOnce), String(seconds)];
    const program = join(import.meta.dirname, 'incast-ranker.ts');
    const { child, message } = await startChild<IncastResult>(leftovers, program, args);
    if (child.exitCode === null) await once(child, 'exit');
    return message;
  };
  const replyKiB = ((table.rows / nodes) * table.dim * 4) / 1_024;
  console.log(
    `\nincast: ${nodes} nodes, replies of ${replyKiB} KiB, deadline 2 s, medians of ${rounds} rounds`,
  );
  const settings = [
    { name: 'steady: one lookup at a time, no bound', bytes: unboundedBytes, atOnce: 1 },
    {
      name: `${lookupsAtOnce} at once, budget ${mib(budgetBytes)} MiB`,
      bytes: budgetBytes,
      atOnce: lookupsAtOnce,
    },
    { name: `${lookupsAtOnce} at once, no bound`, bytes: unboundedBytes, atOnce: lookupsAtOnce },
  ];
  const results = settings.map((): IncastResult[] => []);
  // Interleaved, so that a slow minute of the machine is not one setting's alone.
  for (let round = 0; round < rounds; round++)
    for (const [i, { bytes, atOnce }] of settings.entries()) results[i].push(await ask(bytes, atOnce));
  console.log(
    '| lookups | lookups/s | of steady | median ms | p99 ms | late | under way, MiB | buffers, MiB | RSS, MiB | held |',
  );
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  const steady = median(results[0], 'lookupsPerSecond');
  for (const [i, { name }] of settings.entries()) {
    const of = (field: keyof IncastResult): number => median(results[i], field);
    const rate = of('lookupsPerSecond');
    const times = [
      rate.toFixed(1),
      (rate / steady).toFixed(2),
      of('medianMs').toFixed(0),
      of('p99Ms').toFixed(0),
    ];
    const late = results[i].reduce((sum, result) => sum + result.late, 0);
    const most = (field: keyof IncastResult): string =>
      mib(Math.max(...results[i].map((result) => result[field])));
    const memory = [most('underWay'), most('bufferBytes'), most('rssBytes')];
    console.log(`| ${[name, ...times, late, ...memory, of('held')].join(' | ')} |`);
  }
  for (const child of children) await leftovers.end(child);
}

function median(results: readonly IncastResult[], field: keyof IncastResult): number {
  const sorted = results.map((result) => result[field]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
