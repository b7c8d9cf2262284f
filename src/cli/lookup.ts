import { FlexemrError } from '../errors.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { type TensorData, writeSafetensors } from '../store/safetensors-writer.ts';
import type { LookupSource } from './lookup-source.ts';
import { Meter } from './meter.ts';
import { openSource, type SourceOptions } from './open.ts';
import { type LookupReport, reportOf } from './report.ts';
import { batches, openRequests, type RequestBags, tensorOf } from './requests.ts';

export interface LookupOptions extends SourceOptions {
  readonly requests: string;
  readonly out: string;
}

/** `flexemr lookup`: pools every request of a file, one table after the other, one batch at a time. */
export async function lookup(options: LookupOptions): Promise<LookupReport> {
  await using source = await openSource(options);
  await using file = await SafetensorsFile.open(options.requests);
  const bags = await openRequests(file, source.specs.length);
  const started = performance.now();
  const meter = new Meter(source);
  const pooled = source.specs.map((spec, i) => pooledTensor(meter, spec, bags[i], i));
  await writeSafetensors(options.out, pooled);
  return reportOf(bags, meter, started, options.out);
}

function pooledTensor(
  source: LookupSource,
  spec: TableSpec,
  bags: RequestBags,
  position: number,
): TensorData {
  const vectors = spec.mode === 'none' ? bags.keys() : bags.requests;
  return {
    name: tensorOf('pooled', position),
    dtype: 'F32',
    shape: [vectors, spec.dim],
    data: pooledBatches(source, spec, bags),
  };
}

async function* pooledBatches(
  source: LookupSource,
  { name, dim }: TableSpec,
  bags: RequestBags,
): AsyncGenerator<Float32Array> {
  for (const { begin, end } of batches([bags], dim)) {
    yield (await lookUpBatch(source, [name], [bags], begin, end))[0];
  }
}

/**
 * Looks up requests [begin, end) in one lookup, or in halves if a memory node cannot take so many at once. Errors name
 * the place in the file.
 * @returns the pooled values of each table: f32 [end − begin, dim]
 */
export async function lookUpBatch(
  source: LookupSource,
  names: readonly string[],
  bags: readonly RequestBags[],
  begin: number,
  end: number,
): Promise<Float32Array[]> {
  const read = await Promise.all(bags.map((own) => own.read(begin, end)));
  // Features are named after positions, because table names can be any strings and may differ only in case.
  const features = Object.fromEntries(read.map((own, i) => [`t${i}`, { ...own, table: names[i] }]));
  try {
    const found = await source.lookup(features);
    return [...found.values()].map(({ values }) => values);
  } catch (error) {
    if (end - begin > 1 && error instanceof FlexemrError && error.code === 'LIMIT_EXCEEDED') {
      const middle = Math.ceil((begin + end) / 2);
      const first = await lookUpBatch(source, names, bags, begin, middle);
      const second = await lookUpBatch(source, names, bags, middle, end);
      return first.map((values, i) => joined(values, second[i]));
    }
    const feature = (error as { field?: string }).field?.match(/^t(\d+)\./)?.[1];
    throw feature === undefined ? error : bags[Number(feature)].placed(error, begin);
  }
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
