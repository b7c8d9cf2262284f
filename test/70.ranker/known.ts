// Tables and bags from other sources: the golden cases of PyTorch, and the MovieLens example.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRequests } from '../../examples/movielens/requests.ts';
import { type Bags, type KeyedBags, SafetensorsFile, type StoredTableSpec } from '../../src/index.ts';
import { bagsOf, type GoldenCase, procedural } from '../golden/harness.ts';
import type { GivenTable } from '../tables-file.ts';

export interface Known {
  readonly tables: readonly GivenTable[];
  /** One set of bags for each lookup. Features have the names of their tables. */
  readonly lookups: readonly KeyedBags[];
}

const goldenFolder = join(import.meta.dirname, '../golden/cases');
/** Larger tables keep only the rows that are looked up, because the other rows change no bit. */
const wholeTableNumbersMax = 100_000;

/** Every golden case: a table and a lookup, or several tables and lookups. */
export async function golden(): Promise<Known> {
  const index = JSON.parse(readFileSync(join(goldenFolder, 'index.json'), 'utf8'));
  const tables: GivenTable[] = [];
  const lookups: KeyedBags[] = [];
  for (const { file } of Object.values<{ file: string }>(index.groups)) {
    await using tensors = await SafetensorsFile.open(join(goldenFolder, file));
    for (const of of JSON.parse(tensors.metadata.cases) as GoldenCase[]) {
      const own = of.tables ? await listed(of, tensors) : [await single(of, tensors)];
      tables.push(...own.map(([table]) => table));
      lookups.push(Object.fromEntries(own.map(([{ spec }, bags]) => [spec.name, bags])));
    }
  }
  return { tables, lookups };
}

async function single(of: GoldenCase, file: SafetensorsFile): Promise<[GivenTable, Bags]> {
  const { id, rows, dim, mode, padding_idx } = of;
  const bags = await bagsOf(of, file);
  const spec = { name: id, rows, dim, mode, padding: padding_idx ?? undefined };
  if (of.table !== 'stored') return compact({ spec, rows: procedural(of.table) }, bags);
  if (file.tensors.has(`${id}.table_f32`)) {
    const dtype = id.startsWith('int4') ? 'int4' : 'int8';
    return [{ spec: { ...spec, dtype }, rows: await file.read(`${id}.table_f32`, 'F32') }, bags];
  }
  const stored = await file.read(`${id}.table`);
  if (stored instanceof Float32Array) return [{ spec, rows: stored }, bags];
  return [{ spec: { ...spec, dtype: 'f16' }, rows: new Uint16Array(stored.buffer) }, bags];
}

async function listed(of: GoldenCase, file: SafetensorsFile): Promise<[GivenTable, Bags][]> {
  const all: [GivenTable, Bags][] = [];
  for (const [i, table] of (of.tables ?? []).entries()) {
    const name = `${of.id}_${String(i).padStart(2, '0')}`;
    const spec = { name, rows: table.rows, dim: of.dim, mode: of.mode };
    all.push(compact({ spec, rows: procedural(table) }, await bagsOf(of, file, name.slice(of.id.length))));
  }
  return all;
}

function compact({ spec, rows }: GivenTable, bags: Bags): [GivenTable, Bags] {
  if (rows.length <= wholeTableNumbersMax) return [{ spec, rows }, bags];
  const { dim } = spec;
  const keys = bags.keys as BigInt64Array;
  // At least one row, because some bags are empty.
  const used = [...new Set([0n, ...keys])].sort((a, b) => Number(a - b));
  const kept = new Float32Array(used.length * dim);
  for (const [i, key] of used.entries())
    kept.set(rows.subarray(Number(key) * dim, Number(key) * dim + dim), i * dim);
  const place = new Map(used.map((key, i) => [key, BigInt(i)]));
  const moved = keys.map((key) => place.get(key) ?? -1n);
  return [
    { spec: { ...spec, rows: used.length }, rows: kept },
    { ...bags, keys: moved },
  ];
}

/** The tables of the example, and all of its requests in one lookup. */
export async function movielens(): Promise<Known> {
  const folder = join(import.meta.dirname, '../../examples/movielens');
  await using file = await SafetensorsFile.open(join(folder, 'tables.safetensors'));
  await using requests = await SafetensorsFile.open(join(folder, 'requests.safetensors'));
  const tables: GivenTable[] = [];
  for (const { tensor, ...spec } of JSON.parse(file.metadata.tables) as StoredTableSpec[])
    tables.push({ spec, rows: await file.read(tensor, 'F32') });
  const { bags } = await readRequests(
    requests,
    tables.map(({ spec }) => spec.name),
  );
  return { tables, lookups: [bags] };
}
