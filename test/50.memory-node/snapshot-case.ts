// Tables of several sources in a file, batches for them, and what their rows are then by a plain replay.

import { plannedTables } from '../../src/host/plan-cluster.ts';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { type NumberedShard, numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import type { RowDtype, StoredTableSpec } from '../../src/plan/table-spec.ts';
import { idHashes } from '../../src/store/id-hashes.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { type TensorData, writeSafetensors } from '../../src/store/safetensors-writer.ts';
import { spareRowsMin } from '../../src/update-limits.ts';
import { genesis } from '../../src/updates/chain.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { MemoryLog } from '../32.updates/memory-log.ts';
import { encoded, UpdatedOracle } from './updated-oracle.ts';

export const dim = 5;
export const rowCount = 40;
export const padding = 3;

interface CaseTable {
  readonly name: string;
  readonly source: 'F32' | 'F16' | 'U8';
  readonly dtype: RowDtype;
  readonly indexed: boolean;
}
export const caseTables: readonly CaseTable[] = [
  { name: 'rows', source: 'F32', dtype: 'f32', indexed: false },
  { name: 'ids', source: 'F32', dtype: 'f32', indexed: true },
  { name: 'small ids', source: 'F32', dtype: 'int4', indexed: true },
  { name: 'half', source: 'F16', dtype: 'f32', indexed: false },
  { name: 'half ids', source: 'F16', dtype: 'f16', indexed: true },
  { name: 'packed', source: 'U8', dtype: 'int8', indexed: false },
  { name: 'packed ids', source: 'U8', dtype: 'int8', indexed: true },
  { name: 'sealed', source: 'F32', dtype: 'f32', indexed: false },
];

/** As the file lists them. */
export const caseList: readonly StoredTableSpec[] = caseTables.map((table, i) => ({
  ...{ name: table.name, rows: rowCount, dim, mode: 'sum' as const, dtype: table.dtype, tensor: `t${i}` },
  ...(table.indexed && { ids: `i${i}`, padding, missing: 'skip' as const }),
}));

const memory = new WebAssembly.Memory({ initial: 2 });
export const hasher = { memory, kernels: instantiateKernels(memory) };
export const idOf = (place: number): bigint => (place === padding ? 3n : BigInt(place) * 0x1234_5678_9abcn);
const keyOf = ({ indexed }: CaseTable, row: number): bigint => (indexed ? idOf(row) : BigInt(row));
/** They are the same in f16. */
const rowOf = (row: number): Float32Array =>
  Float32Array.from({ length: dim }, (_, i) => row * 8 + i / 4 - 7);

function bytesOf({ source }: CaseTable): Uint8Array {
  const dtype = { F32: 'f32', F16: 'f16', U8: 'int8' } as const;
  const rows = Array.from({ length: rowCount }, (_, row) => encoded(rowOf(row), dtype[source]) as Uint8Array);
  return new Uint8Array(Buffer.concat(rows));
}

/** @returns the plan of the tables, which are cut in shards and take updates, but for the last one */
export async function writeCase(path: string, nodes = 2): Promise<RoutingTable> {
  const tensors = caseTables.flatMap((table, i): TensorData[] => {
    const data = bytesOf(table);
    const columns = table.source === 'U8' ? data.length / rowCount : dim;
    const rows = { name: `t${i}`, dtype: table.source, shape: [rowCount, columns], data };
    const ids = BigInt64Array.from({ length: rowCount }, (_, place) => idOf(place));
    return table.indexed ? [rows, { name: `i${i}`, dtype: 'I64', shape: [rowCount], data: ids }] : [rows];
  });
  await writeSafetensors(path, tensors, { tables: JSON.stringify(caseList) });
  const tables = (await plannedTables(path, undefined)).map((table) =>
    table.spec.name === 'sealed' ? table : { ...table, updates: true as const },
  );
  return planSharding({
    tables,
    nodes: Array.from({ length: nodes }, (_, i) => ({ id: `n${i}` })),
    split: 'row',
  }).routing;
}

/** The keys of a table that a shard has. */
function isIn({ table, shard }: NumberedShard, key: bigint): boolean {
  const [at] = table.indexed ? [...idHashes(hasher, BigUint64Array.of(key))][0].hashes : [Number(key)];
  return at >= shard.begin && at < shard.end;
}

/** `table key` and the row as its nodes store it. */
export function replayedRows(log: MemoryLog, routing: RoutingTable): Map<string, Uint8Array> {
  const all = new Map<string, Uint8Array>();
  for (const planned of numberedShards(routing)) {
    const table = caseTables[routing.tables.indexOf(planned.table)];
    const own = Array.from({ length: rowCount }, (_, row) => [keyOf(table, row), rowOf(row)] as const).filter(
      ([key]) => isIn(planned, key),
    );
    const live = table.indexed ? own.filter(([key]) => key !== 3n) : own;
    const oracle = new UpdatedOracle(
      { dtype: table.dtype, dim, indexed: table.indexed },
      live,
      table.indexed ? spareRowsMin + own.length - live.length : 0,
      table.indexed ? 3n : undefined,
    );
    const chain = chainName(planned);
    let last = genesis(log.made);
    for (const { logged } of log.messages.filter((message) => message.chain === chain)) {
      const { batch } = logged;
      if (batch.position.number !== last.number + 1n || batch.previous !== last.digest) continue;
      last = batch.position;
      oracle.apply(batch);
    }
    for (const [key, row] of oracle.rows) all.set(`${table.name} ${key}`, row);
  }
  return all;
}

/** The same of a snapshot. */
export async function rowsIn(path: string): Promise<Map<string, Uint8Array>> {
  const all = new Map<string, Uint8Array>();
  await using file = await SafetensorsFile.open(path);
  for (const [i, table] of caseTables.entries()) {
    const entry = file.entry(`rows_${i}`);
    const bytes = new Uint8Array(entry.end - entry.begin);
    await file.readInto(`rows_${i}`, 0, bytes);
    const ids = table.indexed ? await file.read(`ids_${i}`, 'U64') : undefined;
    const stride = bytes.length / entry.shape[0];
    for (let row = 0; row < entry.shape[0]; row++) {
      const key = ids?.[row] ?? BigInt(row);
      if (table.indexed && key === 3n) continue;
      const own = bytes.slice(row * stride, (row + 1) * stride);
      const stored = table.source === 'U8' ? own : encoded(new Float32Array(own.buffer), table.dtype);
      all.set(`${table.name} ${key}`, stored as Uint8Array);
    }
  }
  return all;
}
