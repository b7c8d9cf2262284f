import * as v from 'valibot';
import { callback, check, given, named, type Optional } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { isQuantised, rowBytes } from '../kernel/dtype.ts';
import type { RowDtype, StoredTableSpec, TableSpec } from '../plan/table-spec.ts';
import {
  checkTableSpec,
  parseStoredTables,
  type TableOverrides,
  tableOverrides,
} from '../plan/table-spec.ts';
import type { SafetensorsFile } from './safetensors.ts';
import type { TensorEntry } from './safetensors-header.ts';
import type { SourceDtype } from './source-dtype.ts';
import type { Store } from './store.ts';
import { TableBuilder } from './table-builder.ts';
import type { ThreadPool } from './thread-pool.ts';

/** The progress of loading. */
export interface LoadProgress {
  readonly table: string;
  /** Bytes of rows read from the file so far, and in total. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface LoadOptions {
  /** The dtype in which every table is kept. Default: the dtype in its spec, or f32. */
  readonly dtype?: RowDtype | undefined;
  /** Overrides for tables by name: padding, missing, defaultRow, dtype. */
  readonly tables?: Readonly<Record<string, TableOverrides>> | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** Schemas of `LoadOptions`. The overrides of each table are checked together with its spec. @internal */
export const loadOptions: {
  readonly dtype: Optional<RowDtype>;
  readonly tables: Optional<Readonly<Record<string, unknown>>>;
  readonly onProgress: Optional<(progress: LoadProgress) => void>;
} = {
  dtype: v.optional(given<RowDtype>('a row dtype')),
  tables: v.optional(named),
  onProgress: v.optional(callback<(progress: LoadProgress) => void>()),
};

/** Tensor dtypes of rows that are floats. */
export const sources: Readonly<Record<string, SourceDtype>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

/** A checked table of a file, ready to be loaded. */
export interface LoadableTable {
  readonly spec: TableSpec;
  readonly stored: StoredTableSpec;
  readonly source: SourceDtype;
}

/**
 * Loads every table that the file lists, with all threads of a pool. If one fails, no table is added. Besides the rows,
 * it needs memory for one piece of the file per thread. @throws INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY
 */
export async function loadTables(
  store: Store,
  file: SafetensorsFile,
  pool: ThreadPool,
  options: LoadOptions = {},
): Promise<void> {
  const plans = planTables(file, options);
  const added: string[] = [];
  let bytesDone = 0;
  const bytesTotal = plans.reduce((sum, { stored }) => sum + tensorBytes(file.entry(stored.tensor)), 0);
  let expect = plans.reduce((sum, { spec }) => sum + keptBytes(spec), 0);
  try {
    for (const { spec, stored, source } of plans) {
      await loadTable(store, file, pool, { spec, stored, source }, expect, (bytes) => {
        bytesDone += bytes;
        options.onProgress?.({ table: spec.name, bytesDone, bytesTotal });
      });
      added.push(spec.name);
      expect -= keptBytes(spec);
    }
  } catch (error) {
    for (const name of added) {
      const table = store.tables.get(name);
      store.tables.delete(name);
      if (table) store.freeTable(table);
    }
    throw error;
  }
}

async function loadTable(
  store: Store,
  file: SafetensorsFile,
  pool: ThreadPool,
  { spec, stored, source }: LoadableTable,
  expect: number,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const builder = new TableBuilder(store, spec, { expect });
  try {
    await builder.load(source, file.located(stored.tensor), pool, onBytes);
    store.add(builder.build(stored.ids === undefined ? undefined : await readIds(file, stored.ids)));
  } catch (error) {
    builder.abandon();
    throw error;
  }
}

/** Reads the id of each row. @throws INVALID_TABLE */
export function readIds(file: SafetensorsFile, tensor: string): Promise<BigUint64Array | BigInt64Array> {
  return file.read(tensor, idsDtype(file, tensor));
}

/** The dtype of the ids of a table. @throws INVALID_TABLE */
export function idsDtype(file: SafetensorsFile, tensor: string): 'U64' | 'I64' {
  const { dtype } = file.entry(tensor);
  if (dtype === 'U64' || dtype === 'I64') return dtype;
  const message = `${file.path}: ids tensor "${tensor}" is ${dtype}; ids must be U64 or I64`;
  throw new FlexemrError('INVALID_TABLE', message, { field: `${tensor}.dtype`, value: dtype });
}

/**
 * The tables that a file lists. Their specs are checked against its tensors.
 * @throws INVALID_FILE, INVALID_TABLE, INVALID_OPTION
 */
export function planTables(file: SafetensorsFile, options: LoadOptions = {}): LoadableTable[] {
  const listed = listOf(file);
  const unknown = Object.keys(options.tables ?? {}).find((name) =>
    listed.every((table) => table.name !== name),
  );
  if (unknown !== undefined) {
    const message = `${file.path}: the options name a table "${unknown}" that the file does not list`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'tables', value: unknown });
  }
  return listed.map((stored) => {
    const { tensor, ids: _, ...own } = stored;
    const spec = checkTableSpec({
      ...own,
      ...(options.dtype && { dtype: options.dtype }),
      ...overridesOf(options, stored.name),
    });
    const source = checkTensor(file, stored, file.entry(tensor));
    if (isQuantised(source) && spec.dtype !== source) {
      const message = `${file.path}: table ${spec.name}: its rows are already ${source} and cannot be converted to ${spec.dtype}; omit the dtype`;
      throw new FlexemrError('INVALID_TABLE', message, { field: 'dtype', value: spec.dtype });
    }
    return { spec, stored, source };
  });
}

/** The overrides of a table. Its name may be any text, for example "constructor". @throws INVALID_TABLE */
function overridesOf({ tables = {} }: LoadOptions, name: string): TableOverrides {
  if (!Object.hasOwn(tables, name)) return {};
  return check(tableOverrides, tables[name], `tables.${name}`, 'INVALID_TABLE');
}

/** Whether there is a list of tables, in the file or given separately. */
export function listsTables({ tableList, metadata }: SafetensorsFile): boolean {
  return tableList !== undefined || metadata.tables !== undefined;
}

/** The name of what a snapshot says of its rows, in the metadata of its file. */
export const snapshotName = 'flexemr.updates';

/**
 * The list of a file's tables: a list that was given separately, or else the list in the file. A list of tables that were planned is not
 * that of their snapshot, which has other rows.
 */
function listOf(file: SafetensorsFile): readonly StoredTableSpec[] {
  const isSnapshot = file.metadata[snapshotName] !== undefined;
  if (file.tableList !== undefined && !isSnapshot) return file.tableList;
  const json = file.metadata.tables;
  if (json !== undefined) return parseStoredTables(json, file.path);
  const message = `${file.path} lists no tables: give a list of {name, rows, dim, mode, tensor} in its __metadata__.tables, or in a separate file (--table-list; docs/export.md)`;
  throw new FlexemrError('INVALID_FILE', message, { field: '__metadata__.tables' });
}

function checkTensor(
  file: SafetensorsFile,
  { name, rows, dim, dtype }: StoredTableSpec,
  entry: TensorEntry,
): SourceDtype {
  const packed = entry.dtype === 'U8' && isQuantised(dtype) ? dtype : undefined;
  const source = packed ?? sources[entry.dtype];
  const columns = packed === undefined ? dim : rowBytes(packed, dim);
  if (source === undefined) {
    throw new FlexemrError(
      'INVALID_TABLE',
      `${file.path}: table ${name}: tensor "${entry.name}" is ${entry.dtype}; rows must be F32, F16 or BF16, or U8 if the table is listed as int8 or int4`,
      {
        field: `${entry.name}.dtype`,
        value: entry.dtype,
      },
    );
  }
  if (entry.shape.length !== 2 || entry.shape[0] !== rows || entry.shape[1] !== columns) {
    throw new FlexemrError(
      'INVALID_TABLE',
      `${file.path}: table ${name} is listed as ${packed ?? ''}[${rows}, ${dim}], but its tensor "${entry.name}" is [${entry.shape.join(', ')}], not [${rows}, ${columns}]`,
      {
        field: `${entry.name}.shape`,
        value: entry.shape,
      },
    );
  }
  return source;
}

function tensorBytes({ begin, end }: TensorEntry): number {
  return end - begin;
}

/** Bytes of a table's rows in memory. */
export function keptBytes({ rows, dim, dtype }: TableSpec): number {
  return rows * rowBytes(dtype ?? 'f32', dim);
}
