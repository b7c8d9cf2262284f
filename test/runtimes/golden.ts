// The golden cases as pooling problems, each with the result of PyTorch.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SafetensorsFile } from '../../src/index.ts';
import { rowBytes } from '../../src/kernel/dtype.ts';
import { bagsOf, compare, type GoldenCase, procedural, tableOf } from '../golden/harness.ts';
import type { Problem } from './problem.ts';

export interface GoldenProblem {
  readonly problem: Problem;
  readonly finite: boolean;
  /** @returns the problems of the values f32 [bags, dim] */
  check(pooled: Float32Array): string[];
}

const folder = join(import.meta.dirname, '../golden/cases');

export async function goldenProblems(): Promise<GoldenProblem[]> {
  const { groups } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
  const problems: GoldenProblem[] = [];
  for (const { file } of Object.values<{ file: string }>(groups)) {
    await using tensors = await SafetensorsFile.open(join(folder, file));
    for (const of of JSON.parse(tensors.metadata.cases) as GoldenCase[])
      problems.push(...(await problemsOf(of, tensors)));
  }
  return problems;
}

async function problemsOf(of: GoldenCase, file: SafetensorsFile): Promise<GoldenProblem[]> {
  const expected = await file.read(`${of.id}.expected`, 'F32');
  if (of.tables === undefined) {
    const problem = await problemOf(of, file, '', await tableOf(of, file));
    return [{ problem, finite: of.compare !== 'special', check: (pooled) => compare(of, pooled, expected) }];
  }
  const { length } = of.tables;
  return await Promise.all(
    of.tables.map(async (table, i) => {
      const source = { rows: procedural(table), dtype: 'f32' } as const;
      const one = { ...of, rows: table.rows };
      const problem = await problemOf(one, file, `_${String(i).padStart(2, '0')}`, source);
      // [batch, tables, dim].
      const own = expected.filter((_, at) => Math.floor(at / of.dim) % length === i);
      return { problem, finite: true, check: (pooled: Float32Array) => compare(one, pooled, own) };
    }),
  );
}

async function problemOf(
  of: GoldenCase,
  file: SafetensorsFile,
  table: string,
  { rows, dtype }: Awaited<ReturnType<typeof tableOf>>,
): Promise<Problem> {
  const bags = await bagsOf(of, file, table);
  const keys = bags.keys as BigInt64Array;
  const starts = Uint32Array.from(bags.offsets as BigInt64Array, Number);
  const offsets = of.include_last_offset ? starts : Uint32Array.of(...starts, keys.length);
  const stored =
    rows instanceof Uint8Array ? rows : new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
  const perShard = of.shards && of.shard_by === 'range' ? (of.rows_per_shard ?? of.rows) : of.rows;
  const cuts: number[] = [];
  for (let cut = perShard; cut < of.rows; cut += perShard) cuts.push(cut);
  const padding = of.padding_idx ?? undefined;
  const whole: Problem = {
    ...{ dtype, mode: of.mode, dim: of.dim, rows: of.rows, table: stored, cuts, offsets },
    defaultRow: new Uint8Array(rowBytes(dtype, of.dim)),
    keys: new BigUint64Array(keys.buffer, keys.byteOffset, keys.length),
    weights: bags.weights as Float32Array | undefined,
    padding: padding !== undefined && padding < 0 ? padding + of.rows : padding,
    missing: 'error',
  };
  return stored.length > tableBytesMax && cuts.length === 0 && padding === undefined ? dense(whole) : whole;
}

/** Larger tables are sent without the rows that are in no bag. */
const tableBytesMax = 262_144;

/** The same problem with only the rows in its bags, in their order. */
function dense(problem: Problem): Problem {
  const stride = rowBytes(problem.dtype, problem.dim);
  const named = [...new Set(rowsOf(problem))].sort((a, b) => a - b);
  const places = new Map(named.map((row, place) => [row, BigInt(place)]));
  const table = new Uint8Array(named.length * stride);
  for (const [place, row] of named.entries())
    table.set(problem.table.subarray(row * stride, (row + 1) * stride), place * stride);
  const keys = BigUint64Array.from(rowsOf(problem), (row) => places.get(row) ?? 0n);
  return { ...problem, rows: named.length, table, keys };
}

function rowsOf({ keys }: Problem): number[] {
  return Array.from(keys as Iterable<number | bigint>, Number);
}
