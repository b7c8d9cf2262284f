// Tables of small integers, so that sums are exact in any order, and their cuts over nodes.
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import type { GivenTable } from '../tables-file.ts';

const rows = 40;
/** u64 ids. Some are larger than numbers can represent exactly. */
export const ids = BigUint64Array.from({ length: rows }, (_, row) =>
  row % 3 === 0 ? BigInt(row) : BigInt.asUintN(64, BigInt(row + 1) * 0x9e3779b97f4a7c15n),
);
export const paddingId = 77n;

function whole(dim: number, seed: number): Float32Array {
  return Float32Array.from({ length: rows * dim }, (_, i) => ((i * 37 + seed) % 17) - 8);
}

const spec = { rows, dim: 3 } as const;

/** A table with wide rows, so that a reply soon exceeds its limit. */
export const wide: GivenTable = {
  spec: { name: 'wide', rows: 2, dim: 1024, mode: 'none' },
  rows: new Float32Array(2048).fill(3),
};

/** Tables of every mode, by row and by id, with dtypes that represent integers; `int8` is never cut. */
export const wholeNumbers: readonly GivenTable[] = [
  { spec: { ...spec, name: 'sum', mode: 'sum', padding: 5 }, rows: whole(3, 1) },
  { spec: { ...spec, name: 'mean', mode: 'mean', dtype: 'f16', padding: -1 }, rows: whole(3, 2) },
  { spec: { ...spec, name: 'sqrtn', mode: 'sqrtn', missing: 'skip' }, rows: whole(3, 3) },
  {
    spec: { ...spec, name: 'max', mode: 'max', missing: 'default', defaultRow: [9, -9, 0] },
    rows: whole(3, 4),
  },
  { spec: { ...spec, name: 'none', mode: 'none', missing: 'skip', padding: 0 }, rows: whole(3, 5) },
  { spec: { ...spec, name: 'int8', dim: 5, mode: 'mean', dtype: 'int8' }, rows: whole(5, 6) },
  { spec: { ...spec, name: 'idSum', mode: 'sum', padding: paddingId }, rows: whole(3, 7), ids },
  {
    spec: { ...spec, name: 'idMean', mode: 'mean', missing: 'default', defaultRow: [1, 2, 3] },
    rows: whole(3, 8),
    ids,
  },
  { spec: { ...spec, name: 'idNone', mode: 'none', missing: 'skip' }, rows: whole(3, 9), ids },
];

/** Cuts each table into four shards of different lengths over the nodes. `int8` is whole on the second node. */
export function inFour(tables: readonly PlannedTable[], nodes: readonly string[]): PlannedTable[] {
  return tables.map((table, t) => {
    const { spec, indexed } = table;
    if (spec.name === 'int8') return { ...table, shards: [{ node: nodes[1], begin: 0, end: rows }] };
    const end = indexed ? 2 ** 32 : rows;
    const cuts = [0, 0.2, 0.55, 0.6, 1].map((share) => Math.floor(share * end));
    const shards = cuts.slice(1).map((cut, i) => {
      return { node: nodes[(i + t) % nodes.length], begin: cuts[i], end: cut };
    });
    return { ...table, shards };
  });
}
