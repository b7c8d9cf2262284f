import type { Tables } from '../lookup/tables.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { type TensorData, writeSafetensors } from '../store/safetensors-writer.ts';
import { openWithBar, type TableOptions } from './open.ts';
import { batches, openRequests, type RequestBags, tensorOf } from './requests.ts';

export interface LookupOptions extends TableOptions {
  readonly requests: string;
  readonly out: string;
}

/** What a lookup did, for people and machines. */
export interface LookupReport {
  readonly requests: number;
  readonly tables: number;
  readonly keys: number;
  /** Time in lookups and in reading and writing files, without loading. */
  readonly ms: number;
  readonly out: string;
}

/** `flexemr lookup`: pools every request of a file, table by table, a batch at a time. */
export async function lookup(options: LookupOptions): Promise<LookupReport> {
  await using tables = await openWithBar(options);
  await using file = await SafetensorsFile.open(options.requests);
  const bags = await openRequests(file, tables.specs.length);
  const started = performance.now();
  const pooled = tables.specs.map((spec, i) => pooledTensor(tables, spec, bags[i], i));
  await writeSafetensors(options.out, pooled);
  return reportOf(bags, started, options.out);
}

/** What was done with the bags since `started`. */
export function reportOf(bags: readonly RequestBags[], started: number, out: string): LookupReport {
  return {
    requests: bags[0]?.requests ?? 0,
    tables: bags.length,
    keys: bags.reduce((sum, own) => sum + own.keys(), 0),
    ms: performance.now() - started,
    out,
  };
}

function pooledTensor(tables: Tables, spec: TableSpec, bags: RequestBags, position: number): TensorData {
  const vectors = spec.mode === 'none' ? bags.keys() : bags.requests;
  return {
    name: tensorOf('pooled', position),
    dtype: 'F32',
    shape: [vectors, spec.dim],
    data: pooledBatches(tables, spec.name, bags),
  };
}

async function* pooledBatches(
  tables: Tables,
  table: string,
  bags: RequestBags,
): AsyncGenerator<Float32Array> {
  for (const { begin, end } of batches([bags])) {
    yield (await lookUpBatch(tables, [table], [bags], begin, end))[0];
  }
}

/** Pooled values, f32 [end − begin, dim] a table, of requests [begin, end). Errors name the place in the file. */
export async function lookUpBatch(
  tables: Tables,
  names: readonly string[],
  bags: readonly RequestBags[],
  begin: number,
  end: number,
): Promise<Float32Array[]> {
  const read = await Promise.all(bags.map((own) => own.read(begin, end)));
  // Positions as feature names: a table's own name may be any string, and two may differ only in case.
  const features = Object.fromEntries(read.map((own, i) => [`t${i}`, { ...own, table: names[i] }]));
  try {
    const found = await tables.lookup(features);
    return [...found.values()].map(({ values }) => values);
  } catch (error) {
    const feature = (error as { field?: string }).field?.match(/^t(\d+)\./)?.[1];
    throw feature === undefined ? error : bags[Number(feature)].placed(error, begin);
  }
}
