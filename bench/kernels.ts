// npm run bench -- kernels: compares our kernels with native code on the same memory pages.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { instantiateKernels } from '../src/kernel/files.ts';
import { Arena } from './arena.ts';
import { loadBars } from './bars.ts';
import type { Bench, Case } from './bench.ts';
import { CASES, FLOATS_BYTES } from './cases.ts';
import { fillFloats } from './data.ts';
import { describe, type Environment, environment } from './environment.ts';
import { type Figures, interleave } from './measure.ts';
import { tableHead, tableRow } from './report.ts';
import { UsageError } from './usage.ts';

/** Memory besides the floats: for the largest quantised table or index, and its batches. */
const SPARE_BYTES: number = 384 << 20;
const FULL = { sampleMs: 15, shrink: 1, pairs: 101 };
/** Only shows that everything runs. Its figures are meaningless. */
const QUICK = { sampleMs: 1, shrink: 256, pairs: 3 };

interface Options {
  readonly json: string | undefined;
  readonly quick: boolean;
  readonly pairs: number;
  readonly cases: readonly Case[];
}

interface Outcome extends Figures {
  /** The reason why there is no bar, its version, or the error. */
  readonly remark: string | undefined;
}

export async function run(args: string[]): Promise<void> {
  const options = readOptions(args);
  const { quick, pairs } = options;
  const { sampleMs, shrink } = quick ? QUICK : FULL;
  const arena = new Arena(FLOATS_BYTES / shrink + SPARE_BYTES);
  const native = loadBars(arena);
  const env = environment(native);
  console.log(describe(env));
  if (quick)
    console.log(
      'quick: small tables and few pairs; this only shows that everything runs, the figures are meaningless',
    );
  console.log(`\n${tableHead()}`);

  const floats = makeFloats(arena, FLOATS_BYTES / shrink);
  const bench: Bench = {
    arena,
    kernels: instantiateKernels(arena.memory),
    bars: native.bars,
    floats,
    sampleMs,
    shrink,
  };
  const results: object[] = [];
  for (const one of options.cases) {
    const outcome = await runCase(bench, one, pairs);
    console.log(tableRow(one, outcome, outcome.remark));
    const { name, bar, unit, aim, floor, note } = one;
    const { ours, bar: barRate, ...rest } = outcome;
    results.push({ name, against: bar, unit: `${unit}/s`, ours, bar: barRate, ...rest, aim, floor, note });
  }
  if (options.json !== undefined) writeJson(options.json, env, options, results);
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      only: { type: 'string', default: '' },
      pairs: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const { json, quick } = values;
  const pairs = Number(values.pairs ?? (quick ? QUICK : FULL).pairs);
  if (!Number.isInteger(pairs) || pairs < 1)
    throw new UsageError(`--pairs ${values.pairs} is not an integer of at least 1`);
  const only = toRegExp(values.only);
  const cases = CASES.filter(({ name, bar }) => only.test(`${name} vs ${bar}`));
  if (cases.length === 0) throw new UsageError(`--only ${values.only} matches no case`);
  return { json, quick, pairs, cases: quick ? cases.map(withoutGoal) : cases };
}

function toRegExp(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch {
    throw new UsageError(`--only ${source} is not a regular expression`);
  }
}

function withoutGoal({ name, bar, unit, prepare }: Case): Case {
  return { name, bar, unit, prepare };
}

/** Makes a table of f32 rows of any dim. */
function makeFloats(arena: Arena, bytes: number): number {
  const floats = arena.allocate(bytes);
  fillFloats(arena.f32.subarray(floats / 4, (floats + bytes) / 4), 1);
  return floats;
}

/** Checks a case, and measures it only if its results are correct. Then frees the memory of the case in the arena. */
async function runCase(bench: Bench, one: Case, pairs: number): Promise<Outcome> {
  const mark = bench.arena.mark();
  const contest = await one.prepare(bench);
  try {
    const wrong = contest.check?.();
    if (wrong === undefined) {
      return { ...(await interleave(contest.ours, contest.bar, pairs)), remark: contest.remark };
    }
    process.exitCode = 1;
    return { remark: `WRONG: ${wrong}` };
  } finally {
    await contest.close?.();
    bench.arena.release(mark);
  }
}

function writeJson(path: string, env: Environment, { quick, pairs }: Options, results: object[]): void {
  writeFileSync(path, `${JSON.stringify({ environment: env, quick, pairs, results }, null, 2)}\n`);
}
