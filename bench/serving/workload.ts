import type { TableMode } from '../../src/index.ts';

export interface TableShape {
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
  readonly mode: TableMode;
  /** Every bag carries weights. */
  readonly weighted: boolean;
}

/** One table's bags, one a sample. */
export interface FeatureBags {
  readonly table: TableShape;
  readonly keys: Uint32Array;
  /** One more than samples. */
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
}

/** How keys are drawn: a Zipf exponent, or undefined for uniformly or as recorded. */
export type Skew = number | undefined;

export interface Workload {
  readonly name: string;
  readonly tables: readonly TableShape[];
  /** Rows as published, of which `tables` may have fewer. */
  readonly rowsPublished: number;
  /** The file its rows are in, if they are not to be made up. */
  readonly file: string | undefined;
  readonly skews: readonly Skew[];
  /** Samples to look up, a feature a table. */
  requests(skew: Skew): Promise<FeatureBags[]>;
}

/** What a reader must know to compare. */
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
