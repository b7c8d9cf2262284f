import { FlexemrError } from '../errors.ts';
import { dtypes, rowBytes } from '../kernel/dtype.ts';
import { shardBytesMax } from '../limits.ts';
import type { RowDtype } from '../plan/table-spec.ts';
import { listsTables, planTables } from '../store/load.ts';
import { hasRows, suggestTables } from '../store/suggested-tables.ts';
import { openTableFile } from '../store/table-file.ts';
import { columns, mib } from './columns.ts';
import { type TableOptions, tableSource } from './table-source.ts';

/** The contents of a file. */
export interface Inspection {
  readonly file: string;
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly bytes: number;
  }[];
  /** Empty if the file lists no tables. */
  readonly tables: readonly {
    readonly name: string;
    readonly mode: string;
    readonly rows: number;
    readonly dim: number;
    readonly tensor: string;
    readonly dtype: string;
    readonly bytes: number;
    /** Bytes of the rows in memory, for each dtype. */
    readonly as: Readonly<Record<RowDtype, number>>;
  }[];
  /** Bytes and arenas of all tables together, for each dtype. */
  readonly total: Readonly<Record<RowDtype, { readonly bytes: number; readonly arenas: number }>>;
}

/** `flexemr inspect`: tables, dtypes, bytes, and their bytes in other dtypes. */
export async function inspect(options: TableOptions): Promise<Inspection> {
  await using file = await openTableFile(await tableSource(options));
  const tensors = [...file.tensors.values()].map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    bytes: end - begin,
  }));
  const plans = listsTables(file) ? planTables(file) : [];
  const tables = plans.map(({ spec: { name, mode, rows, dim }, stored: { tensor } }) => {
    const { dtype, begin, end } = file.entry(tensor);
    const as = forEachDtype((kept) => rows * rowBytes(kept, dim));
    return { name, mode, rows, dim, tensor, dtype, bytes: end - begin, as };
  });
  const total = forEachDtype((dtype) => {
    const sizes = tables.map(({ as }) => as[dtype]);
    return { bytes: sizes.reduce((sum, bytes) => sum + bytes, 0), arenas: countArenas(sizes) };
  });
  return { file: file.path, tensors, tables, total };
}

/** `flexemr inspect --suggest`: a first list of tables, JSON, one line per table. @throws INVALID_FILE */
export async function suggest(options: TableOptions): Promise<string> {
  await using file = await openTableFile(await tableSource(options));
  const tables = suggestTables(file.tensors.values());
  if (tables.length > 0) return `[\n${tables.map((table) => `  ${JSON.stringify(table)}`).join(',\n')}\n]`;
  const message = `${file.path} has no tensor that could be a table: [rows, dim] of F32, F16 or BF16`;
  throw new FlexemrError('INVALID_FILE', message, { field: 'tensors', value: file.path });
}

/** The number of arenas for tables of these sizes. They are filled first-fit, like the store does. */
function countArenas(sizes: readonly number[]): number {
  const free: number[] = [];
  for (const size of sizes) {
    for (let left = size; left > 0; left -= shardBytesMax) {
      const shard = Math.min(left, shardBytesMax);
      const at = free.findIndex((room) => room >= shard);
      if (at < 0) free.push(shardBytesMax - shard);
      else free[at] -= shard;
    }
  }
  return free.length;
}

function forEachDtype<T>(value: (dtype: RowDtype) => T): Record<RowDtype, T> {
  return Object.fromEntries(dtypes.map((dtype) => [dtype, value(dtype)])) as Record<RowDtype, T>;
}

/** The inspection as a table for people. */
export function inspectionText({ file, tensors, tables, total }: Inspection): string {
  if (tables.length === 0) {
    const lines = tensors
      .filter(hasRows)
      .map(({ name, dtype, shape, bytes }) => [name, dtype, `[${shape.join(', ')}]`, mib(bytes)]);
    const head = `${file}: ${tensors.length} tensors, no table list (--suggest prints a first list)`;
    const shown = columns([['tensor', 'dtype', 'shape', 'MiB'], ...lines]);
    return lines.length === 0
      ? `${head}\nno tensor has the shape [rows, dim] and a float dtype`
      : `${head}\n${shown}`;
  }
  const head = ['table', 'rows', 'dim', 'mode', 'dtype', 'MiB', ...dtypes.map((dtype) => `as ${dtype}`)];
  const lines = tables.map(({ name, rows, dim, mode, dtype, bytes, as }) => [
    name,
    String(rows),
    String(dim),
    mode,
    dtype,
    mib(bytes),
    ...dtypes.map((kept) => mib(as[kept])),
  ]);
  const all = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const sums = ['total', '', '', '', '', mib(all), ...dtypes.map((dtype) => mib(total[dtype].bytes))];
  const arenas = ['arenas', '', '', '', '', '', ...dtypes.map((dtype) => String(total[dtype].arenas))];
  return `${file}: ${tables.length} tables\n${columns([head, ...lines, sums, arenas])}`;
}
