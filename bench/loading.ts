// Measures how fast tables are loaded from a file in the page cache: 1 GB of f32, kept as each dtype, by one thread and
// by two. Compares this with a C program that reads the file into fresh memory and looks for NaN.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dtypes } from '../src/kernel/dtype.ts';
import { describe, environment } from './environment.ts';
import { writeLargeTable } from './large-table.ts';
import { buildReadAndCheck, compilerVersion } from './native/build.ts';
import { UsageError } from './usage.ts';

const [rows, dim] = [1_953_125, 128];
const bytes = rows * dim * 4;
const threadCounts = [1, 2] as const;

/** One way to load the file. `seconds` runs it once and gives the time that it took. */
interface Contender {
  readonly name: string;
  readonly threads: number;
  seconds(): number;
}

/** npm run bench -- loading [--rounds 9] */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { rounds: { type: 'string', default: '9' } } });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError('--rounds must be an integer, 1 or more');
  console.log(describe(environment()));
  const folder = mkdtempSync(join(tmpdir(), 'flexemr-loading-'));
  try {
    const path = join(folder, 'table.safetensors');
    const random = Float32Array.from({ length: 2 ** 22 }, () => Math.random() - 0.5);
    const dataStart = writeLargeTable(path, rows, dim, new Uint8Array(random.buffer));
    report(measure(contendersOf(path, dataStart), rounds));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function contendersOf(path: string, dataStart: number): Contender[] {
  const once = join(import.meta.dirname, 'loading-once.ts');
  const ours = dtypes.flatMap((dtype) =>
    threadCounts.map((threads) => ({
      name: `kept as ${dtype}`,
      threads,
      seconds: () => Number(output(process.execPath, [once, path, dtype, String(threads)])),
    })),
  );
  const compiler = compilerVersion();
  const program = compiler && buildReadAndCheck(compiler);
  if (program === undefined) {
    console.error('bench: there is no g++ here, so our figures have no native program to compare with');
    return ours;
  }
  const bars = threadCounts.map((threads) => ({
    name: 'C: read, look for NaN',
    threads,
    seconds: () => Number(output(program, [path, String(dataStart), String(threads)]).split(' ')[0]),
  }));
  return [...bars, ...ours];
}

function output(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8' });
}

/** Measures seconds in rounds. Every second round runs in reverse order, so that no place in a round is better. */
function measure(contenders: readonly Contender[], rounds: number): Map<Contender, number[]> {
  const seconds = new Map(contenders.map((contender): [Contender, number[]] => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) seconds.get(contender)?.push(contender.seconds());
  }
  return seconds;
}

function report(seconds: ReadonlyMap<Contender, number[]>): void {
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
  console.log(`${'GB/s of the file, medians'.padEnd(30)}   1 thread  2 threads   times (median of pairs)`);
  for (const [one, ofOne] of seconds) {
    if (one.threads !== 1) continue;
    const [, ofTwo] = [...seconds].find(([two]) => two.name === one.name && two.threads === 2) ?? [];
    if (ofTwo === undefined) continue;
    const rates = [ofOne, ofTwo].map((of) => (bytes / median(of) / 1e9).toFixed(2).padStart(10));
    const pairs = ofOne.map((value, i) => value / ofTwo[i]);
    console.log(`${one.name.padEnd(30)} ${rates.join(' ')} ${median(pairs).toFixed(2).padStart(12)}`);
  }
}
