// The rows that have changed, in a safetensors file that `flexemr update` takes.
import { batchArena } from '../host/batch-arena.ts';
import { ClusteredUpdates } from '../host/clustered-updates.ts';
import { changesSince, type TableChanges } from '../memory-node/changes-since.ts';
import { type TensorData, writeSafetensors } from '../store/safetensors-writer.ts';
import { dumpPieceRows } from '../update-limits.ts';
import type { ChangedRows } from '../updates/changed-rows.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { tensorOf } from './requests.ts';

export interface DumpOptions extends NatsOptions {
  readonly routing: string;
  /** Batches of each shard that are left out, from its first one. */
  readonly since: number;
  readonly out: string;
}

export interface DumpReport {
  readonly rows: number;
  readonly deletes: number;
  readonly seconds: number;
}

/** `flexemr dump`: writes the rows that have changed to a file. @throws as changesSince; INVALID_FILE */
export async function dump(options: DumpOptions): Promise<DumpReport> {
  const began = performance.now();
  await using updates = await ClusteredUpdates.open(options.routing, await readNats(options));
  const { routing } = (await updates.store.read()).cluster.serving;
  const changes = await changesSince(updates.log, routing, BigInt(options.since), batchArena());
  const tables = changes.map(({ rows }) => {
    return { keys: BigUint64Array.from(rows.written()), deletes: BigUint64Array.from(rows.deleted()) };
  });
  const tensors = changes.flatMap(({ spec, rows }, i) => tensorsOf(i, spec.dim, rows, tables[i]));
  await writeSafetensors(options.out, tensors);
  return {
    rows: tables.reduce((sum, { keys }) => sum + keys.length, 0),
    deletes: tables.reduce((sum, { deletes }) => sum + deletes.length, 0),
    seconds: Math.round(performance.now() - began) / 1_000,
  };
}

function tensorsOf(
  position: number,
  dim: TableChanges['spec']['dim'],
  rows: ChangedRows,
  { keys, deletes }: { readonly keys: BigUint64Array; readonly deletes: BigUint64Array },
): TensorData[] {
  const [ofKeys, ofRows, ofDeletes] = ['keys', 'rows', 'deletes'].map((kind) => tensorOf(kind, position));
  const count = keys.length;
  return [
    { name: ofKeys, dtype: 'U64', shape: [count], data: keys },
    { name: ofRows, dtype: 'F32', shape: [count, dim], data: piecesOf(rows, keys, dim) },
    { name: ofDeletes, dtype: 'U64', shape: [deletes.length], data: deletes },
  ];
}

async function* piecesOf(rows: ChangedRows, keys: BigUint64Array, dim: number): AsyncGenerator<Float32Array> {
  for (let first = 0; first < keys.length; first += dumpPieceRows) {
    const own = keys.subarray(first, first + dumpPieceRows);
    const piece = new Float32Array(own.length * dim);
    for (const [i, key] of own.entries()) piece.set(rows.get(key) as Float32Array, i * dim);
    yield piece;
  }
}
