// npm run bench -- cache-traces: what the traces of `cache-policies` look like, beside what is published.
import { writeFileSync } from 'node:fs';
import { describe, type Environment, environment } from '../environment.ts';
import { type CacheOptions, readOptions } from './options.ts';
import { rowUses, statisticsOf, type TraceStatistics, type UseShare, usedMoreThan } from './statistics.ts';
import type { NamedTrace } from './traces.ts';

const times = [1, 8, 16, 64] as const;

/** Percent of rows and percent of accesses, used more often than `times`. Of Meta's traces; others have none. */
const published: Readonly<Record<string, string>> = {
  'meta 2021': 'published: pooling 15.8; > 1: 52.7/93.1, > 8: 12.4/72, > 64: 0.8/42',
  'meta 2022': 'published: pooling 13.6; > 16: 11.4/74',
};

interface TraceResult extends TraceStatistics {
  readonly name: string;
  readonly about: string;
  readonly usedMoreThan: readonly (UseShare & { readonly times: number })[];
}

export async function run(args: string[]): Promise<void> {
  const options = readOptions(args);
  const env = environment();
  console.log(describe(env));
  console.log(
    line([
      'trace',
      'segments',
      'distinct',
      'seen before',
      'keys',
      'rows',
      'pooling',
      ...times.map((n) => `> ${n}`),
    ]),
  );
  const results = options.traces.map(measure);
  save(options, env, results);
}

function measure({ name, about, make }: NamedTrace): TraceResult {
  const trace = make();
  const uses = rowUses(trace);
  const more = times.map((n) => ({ times: n, ...usedMoreThan(n, uses) }));
  const result = { name, about, ...statisticsOf(trace, uses), usedMoreThan: more };
  const counts = [result.segments, result.distinctSegments].map((n) => n.toLocaleString('en'));
  const rows = [result.uses, result.distinctRows].map((n) => n.toLocaleString('en'));
  const shares = more.map((share) => `${percent(share.rows)}/${percent(share.accesses)}`);
  console.log(
    line([name, ...counts, `${percent(result.seenBefore)} %`, ...rows, result.pooling.toFixed(1), ...shares]),
  );
  console.log(`  ${about}`);
  if (published[name] !== undefined) console.log(`  ${published[name]}`);
  return result;
}

const widths = [12, 12, 12, 12, 12, 12, 8, 11, 11, 11, 11] as const;

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' ');
}

function percent(share: number): string {
  return (share * 100).toFixed(1);
}

function save({ json, quick }: CacheOptions, env: Environment, results: readonly TraceResult[]): void {
  if (json === undefined) return;
  writeFileSync(
    json,
    `${JSON.stringify({ benchmark: 'cache-traces', environment: env, quick, results }, null, 2)}\n`,
  );
}
