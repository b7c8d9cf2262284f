// The trained model of examples/movielens, and its held-out requests.
import { join } from 'node:path';
import { SafetensorsFile } from '../../src/index.ts';
import { type FeatureBags, sum, type TableShape, type Workload } from './workload.ts';

const example: string = join(import.meta.dirname, '../../examples/movielens');

export async function movielensWorkload(): Promise<Workload> {
  const path = join(example, 'tables.safetensors');
  await using file = await SafetensorsFile.open(path);
  const stored = JSON.parse(file.metadata.tables) as TableShape[];
  const tables = stored.map(({ name, rows, dim, mode, weighted }) => ({ name, rows, dim, mode, weighted }));
  const rowsPublished = sum(tables.map((table) => table.rows));
  const requests = (): Promise<FeatureBags[]> => readRequests(tables);
  return {
    name: 'movielens',
    tables,
    rowsPublished,
    file: path,
    skews: [undefined],
    batchSizes: [1, 16, 128],
    requests,
  };
}

async function readRequests(tables: readonly TableShape[]): Promise<FeatureBags[]> {
  await using file = await SafetensorsFile.open(join(example, 'requests.safetensors'));
  const read = async (kind: string, i: number): Promise<Uint32Array> =>
    Uint32Array.from(await file.read(`${kind}_${twoDigits(i)}`, 'I64'), Number);
  const features: FeatureBags[] = [];
  for (const [i, table] of tables.entries()) {
    features.push({
      table,
      keys: await read('indices', i),
      offsets: await read('offsets', i),
      weights: table.weighted ? await file.read(`weights_${twoDigits(i)}`, 'F32') : undefined,
    });
  }
  return features;
}

function twoDigits(i: number): string {
  return String(i).padStart(2, '0');
}
