import type { TableMode } from '../../src/index.ts';

export interface TableShape {
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
  readonly mode: TableMode;
  /** Whether every bag has weights. */
  readonly weighted: boolean;
}

/** The bags of one table, one per sample. */
export interface FeatureBags {
  readonly table: TableShape;
  readonly keys: Uint32Array;
  /** One more than there are samples. */
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
}

/** The distribution of keys: a Zipf exponent. Undefined: uniform, or recorded keys. */
export type Skew = number | undefined;

export interface Workload {
  readonly name: string;
  readonly tables: readonly TableShape[];
  /** Number of rows of the published model. `tables` may have fewer. */
  readonly rowsPublished: number;
  /** The file of its rows. Undefined if the rows are generated. */
  readonly file: string | undefined;
  readonly skews: readonly Skew[];
  /** Samples of one lookup. */
  readonly batchSizes: readonly number[];
  /** Samples to look up, with one feature per table. */
  requests(skew: Skew): Promise<FeatureBags[]>;
}

/** Describes a workload, so that a reader can compare results. */
export function describeWorkload({ name, tables, rowsPublished }: Workload): string {
  const count = (n: number): string => n.toLocaleString('en');
  const rows = sum(tables.map((table) => table.rows));
  const gib = sum(tables.map((table) => table.rows * table.dim * 4)) / 2 ** 30;
  const most = Math.max(...tables.map((table) => table.rows));
  const cut =
    rows === rowsPublished
      ? 'whole'
      : `CUT from ${count(rowsPublished)} rows, to at most ${count(most)} a table`;
  return `${name}: ${tables.length} tables of dim ${tables[0].dim}, ${count(rows)} rows, ${gib.toFixed(2)} GiB of f32 (${cut})`;
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
