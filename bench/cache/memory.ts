// npm run bench -- cache-memory: what batches and a cache can have of a memory that has a hard limit. How large a batch can be
// beside caches of fixed sizes, and what a cache whose size follows the load does over a day that it does not know.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startLocalCluster } from '../../src/index.ts';
import { describe, type Environment, environment } from '../environment.ts';
import { writeDlrm } from '../serving/dlrm-network.ts';
import { type DlrmShape, dlrmShapes } from '../serving/dlrm-shapes.ts';
import { mib } from '../serving/memory.ts';
import { writeTables } from '../serving/rows.ts';
import type { TableShape } from '../serving/workload.ts';
import type { Day, PhaseResult } from './memory-day.ts';
import { MemoryGroup } from './memory-group.ts';
import { randomDays } from './random-days.ts';

const shape: DlrmShape = dlrmShapes.rm2;
const exponent = 0.8;
const limitMiB = 1_024;
const fixedMiB = [128, 256, 384];
/** Batches are compared up to so many candidates, and to this share. */
const mostCandidates = 16_384;
const exactness = 0.02;
const windowSeconds = 3;
const nightCandidates = 256;
const peakRequest = 512;
/** The second night of the adaptive cache. */
export const nextNight = 'adaptive, next night';
/** Most candidates of a batch on a random day: beside the smallest fixed cache, there is memory for so many. */
const dayCandidates = 4_096;

interface FigureRow {
  readonly cache: string;
  readonly largestBatch: number;
  /** Share of the reply bytes of a night. */
  readonly saved: number;
}

/** The file that `--json` writes. */
export interface MemoryFile {
  readonly benchmark: 'cache-memory';
  readonly environment: Environment;
  readonly quick: boolean;
  readonly limitMiB: number;
  readonly figure: readonly FigureRow[];
}

interface Outcome {
  /** Undefined: the process was killed, because it needed too much memory. */
  readonly phases: readonly PhaseResult[] | undefined;
  readonly mostBytes: number;
}

type Load = Pick<Day, 'cache' | 'batchCandidates' | 'fill' | 'phases'>;

class MemoryBench {
  readonly #day: Omit<Day, keyof Load>;

  constructor(day: Omit<Day, keyof Load>) {
    this.#day = day;
  }

  async run(load: Load): Promise<Outcome> {
    using group = new MemoryGroup(this.#day.limit);
    const script = join(import.meta.dirname, 'memory-child.ts');
    const day: Day = { ...this.#day, ...load };
    const command = group.command(process.execPath, [script, JSON.stringify(day)]);
    const done = await promisify(execFile)(...command).then(
      ({ stdout }) => JSON.parse(stdout) as PhaseResult[],
      (error: { readonly signal?: string; readonly stderr: string }) => {
        if (error.signal === 'SIGKILL') return undefined;
        throw new Error(error.stderr);
      },
    );
    return { phases: done, mostBytes: group.most };
  }

  /** The largest batch that is scored beside a full cache, again and again. */
  async largest(cache: Day['cache'], seconds: number): Promise<number> {
    let [most, tooMany] = [0, mostCandidates];
    while (tooMany - most > Math.max(1, exactness * tooMany)) {
      const candidates = Math.round((most + tooMany) / 2);
      const phase = { seconds, candidates: Math.ceil(candidates / 8), outstanding: 24 };
      const { phases } = await this.run({ cache, batchCandidates: candidates, fill: true, phases: [phase] });
      if (phases === undefined) tooMany = candidates;
      else most = candidates;
    }
    return most;
  }
}

const saved = ({ hitBytes, replyBytes }: PhaseResult): number => hitBytes / (hitBytes + replyBytes);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const row = (cells: readonly string[]): void =>
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(22) : cell.padStart(15))).join(''));

export async function run(args: string[]): Promise<void> {
  const options = {
    quick: { type: 'boolean', default: false },
    days: { type: 'string', default: '10' },
    only: { type: 'string', default: 'figure,days' },
    json: { type: 'string' },
  } as const;
  const { quick, days, only, json } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-memory-'));
  try {
    const rows = quick ? 20_000 : 250_000;
    const tables: TableShape[] = Array.from({ length: shape.tables }, (_, i) => ({
      ...{ name: `t${i}`, rows, dim: shape.dim, mode: 'sum', weighted: false },
    }));
    const file = join(folder, 'tables.safetensors');
    await writeTables(file, tables);
    await using cluster = await startLocalCluster({ tables: file, nodes: 1 });
    const routing = join(folder, 'routing.json');
    await writeFile(routing, JSON.stringify(cluster.routing));
    const bench = new MemoryBench({
      ...{ routing, networks: writeDlrm(folder, shape, 'two'), tables: tables.map(({ name }) => name) },
      ...{ rows, exponent, dense: shape.dense, seed: 1, limit: limitMiB * 2 ** 20, window: windowSeconds },
    });
    console.log(
      `\nRM2's networks, ${tables.length} tables of ${rows} rows of dim ${shape.dim}, bags of one key, zipf ${exponent}; a limit of ${limitMiB} MiB`,
    );
    if (only.includes('figure')) {
      const rows = await figure(bench, quick ? 2 : 20);
      const measured = { environment: environment(), quick, limitMiB, figure: rows };
      const file: MemoryFile = { benchmark: 'cache-memory', ...measured };
      if (json !== undefined) await writeFile(json, `${JSON.stringify(file, null, 2)}\n`);
    }
    if (only.includes('days')) await randomDay(bench, Number(days), quick ? 1 : 3);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The largest batch and what is saved, for no cache, fixed sizes, and one that follows the load. @param seconds of a phase */
async function figure(bench: MemoryBench, seconds: number): Promise<FigureRow[]> {
  const rows: FigureRow[] = [];
  const night = { seconds, candidates: nightCandidates, outstanding: 1 };
  row(['cache', 'largest batch', 'of none', 'saved, night', 'p99 ms, night', 'µs a sample']);
  const show = (name: string, batch: number, none: number, result: PhaseResult): void => {
    rows.push({ cache: name, largestBatch: batch, saved: saved(result) });
    row([
      ...[name, String(batch), (batch / none).toFixed(2), percent(saved(result)), result.p99.toFixed(1)],
      (result.cpuUs / result.samples).toFixed(1),
    ]);
  };
  let none = 0;
  for (const cache of ['off', ...fixedMiB.map((size) => `${size}MiB`)]) {
    const batch = await bench.largest(cache, Math.max(2, seconds / 4));
    none ||= batch;
    const load = { cache, batchCandidates: nightCandidates, fill: true, phases: [night] };
    const { phases: [result] = [] } = await bench.run(load);
    show(cache, batch, none, result);
  }
  const peak = {
    seconds,
    candidates: peakRequest,
    outstanding: Math.ceil((3 * mostCandidates) / peakRequest),
  };
  const { phases, mostBytes } = await bench.run({
    ...{ cache: 'adaptive', batchCandidates: mostCandidates, fill: false },
    phases: [{ ...night, seconds: 2 * seconds }, peak, { ...night, seconds: 2 * seconds }],
  });
  if (phases === undefined) throw new Error('the adaptive cache needed too much memory');
  const [first, day, second] = phases;
  show('adaptive', day.largestBatch, none, first);
  show(nextNight, day.largestBatch, none, second);
  console.log(
    `adaptive: ${mib(first.cacheBytes)} MiB at night, ${mib(day.cacheBytes)} MiB at the peak, ${mib(second.cacheBytes)} MiB in the next night; at most ${mib(mostBytes)} MiB of all`,
  );
  return rows;
}

/** Random days, with no cache, a fixed one, and one that follows the load. */
async function randomDay(bench: MemoryBench, days: number, seconds: number): Promise<void> {
  console.log('');
  row([
    'day',
    'cache',
    'reply MB',
    'saved',
    'p50 ms',
    'p99 ms',
    'µs a sample',
    'largest batch',
    'MiB of all',
  ]);
  for (const [i, phases] of randomDays(days, seconds).entries())
    for (const cache of ['off', `${fixedMiB[0]}MiB`, 'adaptive']) {
      const { phases: done, mostBytes } = await bench.run({
        ...{ cache, batchCandidates: dayCandidates, fill: false, phases },
      });
      const total = done && sumOf(done);
      if (total === undefined) {
        row([String(i), cache, 'KILLED']);
        continue;
      }
      row([
        ...[String(i), cache, (total.replyBytes / 1e6).toFixed(0), percent(saved(total))],
        ...[total.p50.toFixed(1), total.p99.toFixed(1), (total.cpuUs / total.samples).toFixed(1)],
        ...[String(total.largestBatch), mib(mostBytes)],
      ]);
    }
}

/** A day as one phase. Its p50 is the mean of those of its phases, its p99 the largest. */
function sumOf(phases: readonly PhaseResult[]): PhaseResult {
  const sum = (of: (phase: PhaseResult) => number): number => phases.reduce((all, one) => all + of(one), 0);
  const most = (of: (phase: PhaseResult) => number): number => Math.max(...phases.map(of));
  return {
    samples: sum(({ samples }) => samples),
    seconds: sum(({ seconds }) => seconds),
    cpuUs: sum(({ cpuUs }) => cpuUs),
    p50: sum(({ p50 }) => p50) / phases.length,
    p99: most(({ p99 }) => p99),
    largestBatch: most(({ largestBatch }) => largestBatch),
    replyBytes: sum(({ replyBytes }) => replyBytes),
    hitBytes: sum(({ hitBytes }) => hitBytes),
    cacheBytes: most(({ cacheBytes }) => cacheBytes),
  };
}
