// Tables of a test, in a safetensors file.
import { openTables, type TableSpec, type Tables, writeSafetensors } from '../src/index.ts';

/** A table as a test gives it. */
export interface GivenTable {
  readonly spec: TableSpec;
  /** f32 [rows, dim], or the bits of f16; kept in the spec's dtype when they are loaded. */
  readonly rows: Float32Array | Uint16Array;
  /** The id of each row: makes an indexed table. */
  readonly ids?: BigUint64Array | BigInt64Array | undefined;
}

/** Writes a file that lists the tables by shape and mode alone: JSON has no place for all that a spec may hold. */
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

/** The same tables in this process. */
export async function openLocally(path: string, tables: readonly GivenTable[]): Promise<Tables> {
  const overrides = tables.map(({ spec: { name, rows, dim, ...more } }) => [name, more] as const);
  return await openTables(path, { tables: Object.fromEntries(overrides) });
}
