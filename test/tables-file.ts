// Writes the tables of a test to a safetensors file, and opens them.
import { openTables, type TableSpec, type Tables, writeSafetensors } from '../src/index.ts';

/** A table of a test. */
export interface GivenTable {
  readonly spec: TableSpec;
  /** f32 [rows, dim], or the bits of f16. Loading converts them to the dtype of the spec. */
  readonly rows: Float32Array | Uint16Array;
  /** The id of each row, for an indexed table. */
  readonly ids?: BigUint64Array | BigInt64Array | undefined;
}

/** Writes a file that lists only the shape and mode of tables, because JSON cannot represent all values of a spec. */
export async function writeTables(path: string, tables: readonly GivenTable[]): Promise<void> {
  const listed = tables.map(({ spec: { name, rows, dim, mode }, ids }, i) => {
    return { name, rows, dim, mode, tensor: `rows.${i}`, ...(ids && { ids: `ids.${i}` }) };
  });
  const tensors = tables.flatMap(({ spec, rows, ids }, i) => [
    {
      name: `rows.${i}`,
      dtype: rows instanceof Float32Array ? 'F32' : 'F16',
      shape: [spec.rows, spec.dim],
      data: rows,
    } as const,
    ...(ids ? [{ name: `ids.${i}`, dtype: 'U64', shape: [spec.rows], data: ids } as const] : []),
  ]);
  await writeSafetensors(path, tensors, { tables: JSON.stringify(listed) });
}

/** Opens the same tables in this process. */
export async function openLocally(path: string, tables: readonly GivenTable[]): Promise<Tables> {
  const overrides = tables.map(({ spec: { name, rows, dim, ...more } }) => [name, more] as const);
  return await openTables(path, { tables: Object.fromEntries(overrides) });
}
