import * as v from 'valibot';
import { integer, join, oneOf, read, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import type { DType } from '../kernel/dtype.ts';
import { type PoolingMode, poolingModes } from '../kernel/pooling-mode.ts';
import { anyDim, anyDtype } from '../kernel/schemas.ts';
import { tableNameCharsMax, tableRowsMax, tablesMax } from '../limits.ts';

/** How the rows of a bag are pooled to one vector; `none` gives every row without pooling. */
export type TableMode = PoolingMode | 'none';
const tableModes: readonly TableMode[] = [...poolingModes, 'none'];

/** How rows are stored: as f32 or f16, or quantised row by row in PyTorch's layouts. */
export type RowDtype = DType;

/** A key: a row number, or the u64 id of an indexed table (as a number only up to 2^53 − 1). */
export type Key = number | bigint;

/** The description of a table, without its rows. */
export interface TableSpec {
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
  readonly mode: TableMode;
  /** How rows are stored; default f32. */
  readonly dtype?: RowDtype | undefined;
  /** Whether bags of this table usually carry weights. This is a note for people, and is not checked. */
  readonly weighted?: boolean | undefined;
  /** The padding key, whose row is never pooled or counted. A negative row number counts from the end. */
  readonly padding?: Key | undefined;
  /** What to do with keys without a row: fail (default), skip them, or use the default row. */
  readonly missing?: 'error' | 'skip' | 'default' | undefined;
  /** f32 [dim], stored in the table's dtype; needed by `missing: 'default'`. */
  readonly defaultRow?: readonly number[] | undefined;
}

/** The fields of a spec that can be changed when the table is loaded. */
export type TableOverrides = {
  readonly [Field in keyof Omit<TableSpec, 'name' | 'rows' | 'dim'>]?: TableSpec[Field] | undefined;
};

/** A table of a safetensors file: a spec, and the tensors that hold it. */
export interface StoredTableSpec extends TableSpec {
  /** Rows: F32, F16 or BF16 [rows, dim]. */
  readonly tensor: string;
  /** U64 or I64 [rows]: the id of each row, for an indexed table. */
  readonly ids?: string | undefined;
}

/** The padding key as a u64. Negative rows count from the end; negative ids stand for the u64 with the same bits. */
export function paddingKey({ padding, rows }: TableSpec, indexed: boolean): bigint | undefined {
  if (padding === undefined) return undefined;
  const key = BigInt(padding);
  return BigInt.asUintN(64, indexed || key >= 0n ? key : key + BigInt(rows));
}

const isKey = (value: unknown): boolean => Number.isSafeInteger(value) || typeof value === 'bigint';
const key = v.custom<Key>(isKey, 'a row number or an id: an integer below 2^53, or a bigint');

const fields = {
  name: v.pipe(v.string(), v.nonEmpty(), v.maxLength(tableNameCharsMax)),
  rows: integer(1, tableRowsMax),
  dim: anyDim,
  mode: oneOf(tableModes),
  dtype: v.optional(anyDtype),
  weighted: v.optional(v.boolean()),
  padding: v.optional(key),
  missing: v.optional(oneOf(['error', 'skip', 'default'])),
  defaultRow: v.optional(v.array(v.number())),
};
const tableSpec = v.strictObject(fields);
const storedTableSpecs = v.pipe(
  v.array(v.object({ ...fields, tensor: v.string(), ids: v.optional(v.string()) })),
  v.maxLength(tablesMax),
);

/** The fields of a table's spec that a lookup or a load may override. @internal */
export const tableOverrides: Schema<TableOverrides> = v.strictObject({
  mode: v.optional(fields.mode),
  dtype: fields.dtype,
  weighted: fields.weighted,
  padding: fields.padding,
  missing: fields.missing,
  defaultRow: fields.defaultRow,
});

/** Checks a spec that a caller gave. @param path of the spec in the caller's argument @throws INVALID_TABLE */
export function checkTableSpec(spec: unknown, path = ''): TableSpec {
  const checked: TableSpec = read(tableSpec, spec, ({ path: field, value, problem }) => {
    const place = join(path, field) || 'table';
    return invalidTable(place, value, `${path === '' && field !== '' ? 'table: ' : ''}${place}: ${problem}`);
  });
  const { name, dim, missing, defaultRow } = checked;
  if (missing === 'default' && defaultRow === undefined) {
    throw invalidTable(
      join(path, 'defaultRow'),
      undefined,
      `table ${name}: missing: 'default' needs a defaultRow of ${dim} numbers`,
    );
  }
  if (defaultRow !== undefined && defaultRow.length !== dim) {
    throw invalidTable(
      join(path, 'defaultRow'),
      defaultRow.length,
      `table ${name}: defaultRow has ${defaultRow.length} numbers, but its dim is ${dim}`,
    );
  }
  return checked;
}

/** Reads the table list that a safetensors file carries in `__metadata__.tables`. @throws INVALID_TABLE */
export function parseStoredTables(json: string, file: string): StoredTableSpec[] {
  let list: unknown;
  try {
    list = parseJsonText(json);
  } catch (cause) {
    throw invalidTable('__metadata__.tables', undefined, `${file}: __metadata__.tables is not JSON`, cause);
  }
  return checkStoredTables(list, '__metadata__.tables', file);
}

/** Checks the list of the tables of a file. @param what the name of the list, for errors @throws INVALID_TABLE */
export function checkStoredTables(list: unknown, what: string, file: string): StoredTableSpec[] {
  const specs: StoredTableSpec[] = read(storedTableSpecs, list, ({ path, value, problem }) => {
    return invalidTable(join(what, path), value, `${file}: ${join(what, path)}: ${problem}`);
  });
  const names = new Set<string>();
  for (const [position, { name }] of specs.entries()) {
    if (names.has(name)) {
      throw new FlexemrError(
        'INVALID_TABLE',
        `${file}: ${what}[${position}] is a second table named "${name}"`,
        {
          field: 'name',
          position,
          value: name,
        },
      );
    }
    names.add(name);
  }
  return specs;
}

function invalidTable(field: string, value: unknown, message: string, cause?: unknown): FlexemrError {
  return new FlexemrError('INVALID_TABLE', message, { field, value, cause });
}
