import * as v from 'valibot';
import { FlexemrError } from '../errors.ts';
import { pathOf, problemOf } from '../issue.ts';
import { dimMax, tableRowsMax, tablesMax } from '../limits.ts';

/** How the rows of a bag become one vector; `none` gives every row as it is. */
export const poolingModes = ['sum', 'mean', 'sqrtn', 'max', 'none'] as const;
export type TableMode = (typeof poolingModes)[number];

/** How rows are kept: as f32 or f16, or quantised row by row in PyTorch's layouts. */
export const rowDtypes = ['f32', 'f16', 'int8', 'int4'] as const;
export type RowDtype = (typeof rowDtypes)[number];

/** A key: a row number, or the u64 id of an indexed table (a number only up to 2^53 − 1). */
export type Key = number | bigint;

/** What a table is, apart from its rows. */
export interface TableSpec {
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
  readonly mode: TableMode;
  /** Kept as; default f32. */
  readonly dtype?: RowDtype | undefined;
  /** Bags of this table usually carry weights; for people, not checked. */
  readonly weighted?: boolean | undefined;
  /** Key that stands for nothing: its row is never pooled or counted. Negative counts from the end. */
  readonly padding?: Key | undefined;
  /** Keys that no row answers: an error (default), left out, or the default row in their place. */
  readonly missing?: 'error' | 'skip' | 'default' | undefined;
  /** f32 [dim], kept in the table's dtype; needed by `missing: 'default'`. */
  readonly defaultRow?: readonly number[] | undefined;
}

/** A table of a safetensors file: a spec, and the tensors that hold it. */
export interface StoredTableSpec extends TableSpec {
  /** Rows: F32, F16 or BF16 [rows, dim]. */
  readonly tensor: string;
  /** U64 or I64 [rows]: the id of each row, for an indexed table. */
  readonly ids?: string | undefined;
}

/** The padding key as a u64: negative rows count from the end, negative ids stand for the u64 of the same bits. */
export function paddingKey({ padding, rows }: TableSpec, indexed: boolean): bigint | undefined {
  if (padding === undefined) return undefined;
  const key = BigInt(padding);
  return BigInt.asUintN(64, indexed || key >= 0n ? key : key + BigInt(rows));
}

const key = v.union([v.pipe(v.number(), v.safeInteger()), v.bigint()]);

const fields = {
  name: v.pipe(v.string(), v.nonEmpty(), v.maxLength(1024)),
  rows: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(tableRowsMax)),
  dim: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(dimMax)),
  mode: v.picklist(poolingModes),
  dtype: v.optional(v.picklist(rowDtypes)),
  weighted: v.optional(v.boolean()),
  padding: v.optional(key),
  missing: v.optional(v.picklist(['error', 'skip', 'default'])),
  defaultRow: v.optional(v.array(v.number())),
};
const tableSpec = v.strictObject(fields);
const storedTableSpecs = v.pipe(
  v.array(v.object({ ...fields, tensor: v.string(), ids: v.optional(v.string()) })),
  v.maxLength(tablesMax),
);

/** Checks a spec as a caller gave it. @throws INVALID_TABLE */
export function checkTableSpec(spec: unknown): TableSpec {
  const checked: TableSpec = parse(tableSpec, spec, 'table');
  const { name, dim, missing, defaultRow } = checked;
  if (missing === 'default' && defaultRow === undefined) {
    throw invalidTable(
      'defaultRow',
      undefined,
      `table ${name}: missing: 'default' needs a defaultRow of ${dim} numbers`,
    );
  }
  if (defaultRow !== undefined && defaultRow.length !== dim) {
    throw invalidTable(
      'defaultRow',
      defaultRow.length,
      `table ${name}: defaultRow has ${defaultRow.length} numbers, its dim is ${dim}`,
    );
  }
  return checked;
}

/** Reads the table list that a safetensors file carries in `__metadata__.tables`. @throws INVALID_TABLE */
export function parseStoredTables(json: string, file: string): StoredTableSpec[] {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch (cause) {
    throw invalidTable('__metadata__.tables', undefined, `${file}: __metadata__.tables is not JSON`, cause);
  }
  return checkStoredTables(list, '__metadata__.tables', file);
}

/** Checks a list of the tables of a file. @param what the list is called @throws INVALID_TABLE */
export function checkStoredTables(list: unknown, what: string, file: string): StoredTableSpec[] {
  const specs: StoredTableSpec[] = parse(storedTableSpecs, list, what, file);
  const names = new Set<string>();
  for (const [position, { name }] of specs.entries()) {
    if (names.has(name)) {
      throw new FlexemrError(
        'INVALID_TABLE',
        `${file}: ${what}[${position}] is another table named "${name}"`,
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

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown, what: string, file?: string): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = pathOf(issue);
  // Of a list, the path goes on from its name.
  const isField = path !== '' && !path.startsWith('[');
  const field = isField ? path : `${what}${path}`;
  const where = [file, isField ? what : undefined, field].filter((part) => part !== undefined);
  throw invalidTable(field, issue.input, `${where.join(': ')}: ${problemOf(issue)}`);
}

function invalidTable(field: string, value: unknown, message: string, cause?: unknown): FlexemrError {
  return new FlexemrError('INVALID_TABLE', message, { field, value, cause });
}
