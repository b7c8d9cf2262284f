// A table of each mode and policy, as a model for the reference and opened.
import { type TableMode, Tables } from '../../src/index.ts';
import type { GivenTable } from '../tables-file.ts';
import type { ModelTable } from './expected.ts';

export const rows = 6;
const dim = 3;
const data = Float32Array.from({ length: rows * dim }, (_, i) => Math.sin(i * 7) * 10 ** ((i % 5) - 2));
const decoded = Array.from({ length: rows }, (_, row) => data.subarray(row * dim, (row + 1) * dim));
export const ids = BigUint64Array.of(0n, 7n, 1n << 40n, (1n << 53n) - 1n, 1n << 63n, (1n << 64n) - 1n);
export const idRows = new Map(Array.from(ids, (id, row) => [id, row]));
const defaultRow = [0.5, -2, 3];

export const models: Record<string, ModelTable> = Object.fromEntries([
  ...(['sum', 'mean', 'sqrtn', 'max', 'none'] as TableMode[]).map((mode) => [
    mode,
    { mode, dim, rows: decoded },
  ]),
  ['skip', { mode: 'mean', dim, rows: decoded, missing: 'skip' }],
  [
    'default',
    { mode: 'sum', dim, rows: decoded, missing: 'default', defaultRow: Float32Array.of(...defaultRow) },
  ],
  ['ids', { mode: 'sum', dim, rows: decoded, missing: 'skip' }],
]);

/** A table for each model. */
export const modelTables: readonly GivenTable[] = Object.entries(models).map(([name, { mode, missing }]) => {
  const defaults = missing === 'default' ? { defaultRow } : {};
  return {
    spec: { name, rows, dim, mode, missing, ...defaults },
    rows: data,
    ids: name === 'ids' ? ids : undefined,
  };
});

/** Opens all of them. Slots are small, so that a lookup that leaks slots fails the next ones. */
export async function openAll(): Promise<Tables> {
  const tables = new Tables({ slotBytes: 2 ** 18 });
  for (const { spec, ids } of modelTables) await tables.add(spec, { rows: data, ids });
  return tables;
}

export function offsetsOf(lengths: readonly number[]): number[] {
  let end = 0;
  return [0, ...lengths.map((length) => (end += length))];
}
