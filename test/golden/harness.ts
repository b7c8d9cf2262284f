// Runs a folder of golden cases (README.md beside this file) through the public API.
//   npm run -s golden -- DIR        prints each mismatch, and then "N cases, M mismatches"
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Bags,
  FlexemrError,
  type PoolingMode,
  type RowDtype,
  reference,
  SafetensorsFile,
  Tables,
} from '../../src/index.ts';

export interface ProceduralTable {
  readonly procedural: 'q6' | 'u23';
  readonly rows: number;
  readonly dim: number;
  readonly seed: number;
  readonly sha256: string;
}

export interface GoldenCase {
  readonly id: string;
  readonly mode: PoolingMode;
  readonly weighted: boolean;
  readonly include_last_offset: boolean;
  readonly padding_idx?: number | null;
  readonly batch: number;
  readonly rows: number;
  readonly dim: number;
  readonly table: 'stored' | ProceduralTable;
  readonly tables?: readonly ProceduralTable[];
  readonly compare: 'bit-exact' | 'tol' | 'special';
  readonly atol?: number;
  readonly shards?: number;
  readonly shard_by?: 'range' | 'mod';
  readonly rows_per_shard?: number | null;
}

interface ErrorCase {
  readonly name: string;
  readonly torch: string;
  readonly indices?: readonly number[];
  readonly offsets?: readonly number[];
  readonly rows?: number;
  readonly weights_len?: number;
  readonly include_last_offset?: boolean;
  readonly mode?: PoolingMode;
}

/** Intended differences: the weighted mean is TensorFlow's, and keys after the last offset are not skipped silently. */
const disconnects = new Set(['weights_with_mean', 'last_offset_ne_len']);

/** Runs the cases of a folder. @returns the mismatches, one line each, and the number of cases */
export async function runGolden(dir: string): Promise<{ cases: number; mismatches: string[] }> {
  const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8'));
  const mismatches: string[] = [];
  let cases = 0;
  for (const { file } of Object.values<{ file: string }>(index.groups)) {
    await using tensors = await SafetensorsFile.open(join(dir, file));
    for (const of of JSON.parse(tensors.metadata.cases) as GoldenCase[]) {
      cases++;
      for (const problem of await checkCase(of, tensors)) mismatches.push(`${of.id}: ${problem}`);
    }
  }
  for (const of of index.errors as ErrorCase[]) {
    const problem = await checkError(of);
    if (problem) mismatches.push(`${of.name}: ${problem}`);
  }
  return { cases, mismatches };
}

async function checkCase(of: GoldenCase, file: SafetensorsFile): Promise<string[]> {
  const expected = await file.read(`${of.id}.expected`, 'F32');
  const source = of.tables ? undefined : await tableOf(of, file);
  const got =
    source === undefined
      ? await lookUpMany(of, file)
      : await lookUpOne(of, file, source, of.rows_per_shard ?? of.rows);
  const problems = compare(of, got, expected);
  if (source && file.tensors.has(`${of.id}.dequant`))
    problems.push(...(await checkDequantised(of, file, source)));
  if (source && of.shards) problems.push(...(await checkShards(of, file, source)));
  return problems;
}

interface Source {
  readonly rows: Float32Array | Uint8Array;
  readonly dtype: RowDtype;
}

export async function tableOf(of: GoldenCase, file: SafetensorsFile): Promise<Source> {
  const packed = `${of.id}.packed`;
  if (file.tensors.has(packed)) {
    const rows = await file.read(packed, 'U8');
    return { rows, dtype: rows.length / of.rows === of.dim + 8 ? 'int8' : 'int4' };
  }
  if (of.table !== 'stored') return { rows: procedural(of.table), dtype: 'f32' };
  const rows = await file.read(`${of.id}.table`);
  return rows instanceof Float32Array
    ? { rows, dtype: 'f32' }
    : { rows: new Uint8Array(rows.buffer), dtype: 'f16' };
}

export async function bagsOf(of: GoldenCase, file: SafetensorsFile, table = ''): Promise<Bags> {
  const weights = `${of.id}.weights`;
  return {
    keys: await file.read(`${of.id}.indices${table}`, 'I64'),
    offsets: await file.read(`${of.id}.offsets${table}`, 'I64'),
    includeLastOffset: of.include_last_offset,
    weights: of.weighted ? await file.read(weights, 'F32') : undefined,
  };
}

async function lookUpOne(
  of: GoldenCase,
  file: SafetensorsFile,
  source: Source,
  rowsPerShard: number,
): Promise<Float32Array> {
  const stride = reference.rowBytes(source.dtype, of.dim);
  await using tables = new Tables({ slotBytes: 2 ** 22, shardBytes: (rowsPerShard + 1) * stride });
  const { rows, dim, mode } = of;
  await tables.add(
    { name: 't', rows, dim, mode, dtype: source.dtype, padding: of.padding_idx ?? undefined },
    source,
  );
  const lookup = await tables.lookup({ t: await bagsOf(of, file) });
  return lookup.get('t')?.values ?? new Float32Array();
}

async function lookUpMany(of: GoldenCase, file: SafetensorsFile): Promise<Float32Array> {
  const specs = of.tables ?? [];
  await using tables = new Tables({ slotBytes: 2 ** 22 });
  const bags: Record<string, Bags> = {};
  for (const [i, table] of specs.entries()) {
    const name = String(i).padStart(2, '0');
    await tables.add({ name, rows: table.rows, dim: of.dim, mode: of.mode }, { rows: procedural(table) });
    bags[name] = await bagsOf(of, file, `_${name}`);
  }
  const lookup = await tables.lookup(bags);
  const all = new Float32Array(of.batch * specs.length * of.dim);
  specs.forEach((_, i) => {
    const values = lookup.get(String(i).padStart(2, '0'))?.values ?? new Float32Array();
    for (let bag = 0; bag < of.batch; bag++) {
      all.set(values.subarray(bag * of.dim, (bag + 1) * of.dim), (bag * specs.length + i) * of.dim);
    }
  });
  return all;
}

/** Checks that mode `none` gives the values of PyTorch's unpack, bit for bit. */
async function checkDequantised(of: GoldenCase, file: SafetensorsFile, source: Source): Promise<string[]> {
  await using tables = new Tables({ slotBytes: 2 ** 22 });
  await tables.add({ name: 't', rows: of.rows, dim: of.dim, mode: 'none', dtype: source.dtype }, source);
  const keys = Uint32Array.from({ length: of.rows }, (_, row) => row);
  const lookup = await tables.lookup({ t: { keys, offsets: [0] } });
  const expected = await file.read(`${of.id}.dequant`, 'F32');
  return compare({ ...of, compare: 'bit-exact' }, lookup.get('t')?.values ?? new Float32Array(), expected);
}

/** Checks that each shard, as its own table, gives PyTorch's partial sums and counts, which merge to its result. */
async function checkShards(of: GoldenCase, file: SafetensorsFile, source: Source): Promise<string[]> {
  const shards = of.shards ?? 1;
  const bags = await bagsOf(of, file);
  const shardOf = (row: number): number =>
    of.shard_by === 'mod' ? row % shards : Math.floor(row / (of.rows_per_shard ?? 1));
  const localRow = (row: number): number =>
    of.shard_by === 'mod' ? Math.floor(row / shards) : row % (of.rows_per_shard ?? 1);
  const all = Array.from({ length: of.rows }, (_, row) => row);
  const sums = await file.read(`${of.id}.expected_partial_sums`, 'F32');
  const counts = await file.read(`${of.id}.expected_counts`, 'I64');
  const partials: reference.Partial[][] = [];
  const problems: string[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const rows = all
      .filter((row) => shardOf(row) === shard)
      .map((row) => source.rows.subarray(row * of.dim, (row + 1) * of.dim));
    const packed = new Float32Array(rows.length * of.dim);
    rows.forEach((row, i) => {
      packed.set(row, i * of.dim);
    });
    await using tables = new Tables({ slotBytes: 2 ** 22 });
    await tables.add(
      { name: 's', rows: rows.length, dim: of.dim, mode: of.mode === 'max' ? 'max' : 'sum' },
      { rows: packed },
    );
    const own = segmentsOf(bags, of, (row) => shardOf(row) === shard, localRow);
    const pooled = (await tables.lookup({ s: own })).get('s');
    if (!pooled) return ['no result'];
    const size = of.batch * of.dim;
    problems.push(...compare(of, pooled.values, sums.subarray(shard * size, (shard + 1) * size)));
    pooled.counts.forEach((count, bag) => {
      const wanted = Number(counts[shard * of.batch + bag]);
      if (count !== wanted) problems.push(`shard ${shard} bag ${bag}: ${count} rows, expected ${wanted}`);
      partials[bag] ??= [];
      partials[bag].push({
        values: pooled.values.slice(bag * of.dim, (bag + 1) * of.dim),
        count,
        denominator: 0,
      });
    });
  }
  const merged = partials.flatMap((bag) => [...reference.mergePartials(of.mode, of.dim, bag, false)]);
  return [
    ...problems,
    ...compare(of, Float32Array.from(merged), await file.read(`${of.id}.expected`, 'F32')),
  ];
}

/** The keys of one shard, in bag order. */
function segmentsOf(
  bags: Bags,
  of: GoldenCase,
  mine: (row: number) => boolean,
  local: (row: number) => number,
): Bags {
  const rows = [...(bags.keys as BigInt64Array)].map(Number);
  const ends = [...(bags.offsets as BigInt64Array)].map(Number).slice(1, of.batch);
  const positions = rows.map((_, i) => i).filter((i) => mine(rows[i]));
  const bagOf = (position: number): number => ends.filter((end) => end <= position).length;
  const lengths = new Uint32Array(of.batch);
  for (const position of positions) lengths[bagOf(position)]++;
  const weights = bags.weights && positions.map((i) => Number(bags.weights?.[i]));
  return { keys: positions.map((i) => local(rows[i])), lengths, weights };
}

async function checkError(of: ErrorCase): Promise<string | undefined> {
  const { indices = [0, 1], offsets = [0], rows = 10, mode = 'sum', weights_len } = of;
  await using tables = new Tables({ slotBytes: 2 ** 20 });
  await tables.add({ name: 't', rows, dim: 4, mode }, { rows: new Float32Array(rows * 4) });
  const weighted = weights_len ?? (of.name.startsWith('weights_with') ? indices.length : undefined);
  const weights = weighted === undefined ? undefined : new Float32Array(weighted);
  const accepted = (of.torch === 'ACCEPTED') !== disconnects.has(of.name);
  try {
    await tables.lookup({
      t: { keys: indices, offsets, includeLastOffset: of.include_last_offset, weights },
    });
    return accepted ? undefined : 'accepted, but is to be refused';
  } catch (error) {
    if (!(error instanceof FlexemrError)) return `not a FlexemrError: ${error}`;
    return accepted ? `refused: ${error.message}` : undefined;
  }
}

export function compare(of: GoldenCase, got: Float32Array, expected: Float32Array): string[] {
  if (got.length !== expected.length) return [`${got.length} values, expected ${expected.length}`];
  const wrong = expected.findIndex((value, i) => !agrees(of, got[i], value));
  return wrong < 0 ? [] : [`value ${wrong} is ${got[wrong]}, expected ${expected[wrong]}`];
}

function agrees(of: GoldenCase, got: number, expected: number): boolean {
  if (of.compare === 'tol') return Math.abs(got - expected) <= (of.atol ?? 0);
  if (of.compare === 'bit-exact') return got === expected || (Number.isNaN(got) && Number.isNaN(expected));
  // PyTorch's maximum depends on the position of a NaN in a bag, so special values of max cannot be compared.
  if (of.mode === 'max') return true;
  if (Number.isFinite(expected)) return Math.abs(got - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
  return Object.is(got, expected);
}

/** Computes rows from the formula of a case, and checks their digest. */
export function procedural({ procedural: kind, rows, dim, seed, sha256 }: ProceduralTable): Float32Array {
  const values = new Float32Array(rows * dim);
  for (let i = 0; i < values.length; i++) {
    let x = (Math.imul(i, 0x9e3779b1) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x = (x ^ (x >>> 16)) >>> 0;
    values[i] = kind === 'q6' ? ((x & 511) - 256) / 64 : (x >>> 8) / 2 ** 23 - 1;
  }
  const digest = createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');
  if (digest !== sha256)
    throw new Error(`procedural table ${kind} ${rows}×${dim} seed ${seed}: its digest is ${digest}`);
  return values;
}

if (process.argv[1] === import.meta.filename) {
  const { cases, mismatches } = await runGolden(process.argv[2] ?? join(import.meta.dirname, 'cases'));
  for (const mismatch of mismatches) console.log(mismatch);
  console.log(`${cases} cases, ${mismatches.length} mismatches`);
  process.exitCode = mismatches.length === 0 ? 0 : 1;
}
