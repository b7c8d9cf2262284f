// The models whose lookups are served. Sizes are as published, but tables are cut so that a machine can hold them
// several times.
import { rowSource } from '../data.ts';
import { movielensWorkload } from './movielens.ts';
import { type FeatureBags, type Skew, sum, type TableShape, type Workload } from './workload.ts';

/** Bytes of the rows of one workload. Memory nodes, Redis and the page cache hold them at the same time. */
const rowBytesMax: number = 2 ** 31;
const rowBytesMaxQuick: number = 2 ** 26;

/** Number of samples that are drawn for one stream of requests. Their rows do not fit in caches. */
const samplesDrawn = 2048;

export interface Shape {
  readonly name: string;
  readonly dim: number;
  readonly rows: readonly number[];
  /** Keys of each table in every sample. */
  readonly lookups: readonly number[];
  readonly skews: readonly Skew[];
  readonly batchSizes: readonly number[];
}

const batchSizes = [1, 16, 128];

/** The published mean number of keys in a bag of Meta's traces of 2021. Its distribution is not published. */
const metaLookups = 15.8;
const metaTables = 856;

export const mlperfShape: Shape = {
  name: 'mlperf',
  dim: 128,
  rows: [
    40000000, 39060, 17295, 7424, 20265, 3, 7122, 1543, 63, 40000000, 3067956, 405282, 10, 2209, 11938, 155,
    4, 976, 14, 40000000, 40000000, 40000000, 590152, 12973, 108, 36,
  ],
  lookups: [3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1],
  skews: [undefined, 1.05],
  batchSizes,
};

/** DLRM-DCNv2 of MLPerf, RM1, RM2 and RM3 of DeepRecSys, and the tables of Meta's traces of 2021. */
const shapes: readonly Shape[] = [
  mlperfShape,
  alike('rm1', 8, 4_000_000, 32, 80),
  alike('rm2', 32, 500_000, 64, 120),
  alike('rm3', 10, 2_000_000, 32, 20),
  {
    name: 'meta2021',
    dim: 64,
    rows: new Array<number>(metaTables).fill(1_000_000),
    // Exponential, so that many bags are short and some are long.
    lookups: Array.from({ length: metaTables }, (_, i) => {
      return Math.max(1, Math.round(-Math.log(1 - (i + 0.5) / metaTables) * metaLookups));
    }),
    skews: [1.05],
    batchSizes: [1, 8],
  },
];

export const workloadNames: readonly string[] = [...shapes.map(({ name }) => name), 'movielens'];

/** A shape whose tables are all equal. */
function alike(name: string, tables: number, rows: number, dim: number, lookups: number): Shape {
  const each = (value: number): number[] => new Array<number>(tables).fill(value);
  return { name, dim, rows: each(rows), lookups: each(lookups), skews: [undefined], batchSizes };
}

export async function allWorkloads(quick: boolean): Promise<Workload[]> {
  const bytesMax = quick ? rowBytesMaxQuick : rowBytesMax;
  return [...shapes.map((shape) => drawnWorkload(shape, bytesMax)), await movielensWorkload()];
}

/** MLPerf's tables with vectors of another length. */
export function mlperfWorkload(dim: number, quick: boolean): Workload {
  return drawnWorkload({ ...mlperfShape, dim }, quick ? rowBytesMaxQuick : rowBytesMax);
}

/** A workload with random keys. The largest tables are cut until all tables fit in `bytesMax`. */
function drawnWorkload(
  { name, dim, rows, lookups, skews, batchSizes: sizes }: Shape,
  bytesMax: number,
): Workload {
  const cap = rowsCap(rows, bytesMax / (dim * 4));
  const tables = rows.map((own, i): TableShape => {
    return { name: `t${i}`, rows: Math.min(own, cap), dim, mode: 'sum', weighted: false };
  });
  const requests = async (skew: Skew): Promise<FeatureBags[]> =>
    tables.map((table, i) => drawBags(table, lookups[i], skew, 1000 + i));
  return { name, tables, rowsPublished: sum(rows), file: undefined, skews, batchSizes: sizes, requests };
}

/** The largest cap on the rows of each table with which all tables together have at most `budget` rows. */
function rowsCap(rows: readonly number[], budget: number): number {
  let [low, high] = [1, Math.max(...rows)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (sum(rows.map((own) => Math.min(own, middle))) <= budget) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Draws a bag of `lookups` keys for every sample. */
function drawBags(table: TableShape, lookups: number, skew: Skew, seed: number): FeatureBags {
  const keys = new Uint32Array(samplesDrawn * lookups).map(rowSource(table.rows, skew, seed));
  const offsets = Uint32Array.from({ length: samplesDrawn + 1 }, (_, sample) => sample * lookups);
  return { table, keys, offsets, weights: undefined };
}
