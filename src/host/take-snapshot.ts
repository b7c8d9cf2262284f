import { instantiateKernels } from '../kernel/files.ts';
import { checkContents } from '../memory-node/check-contents.ts';
import { loadables, notAsPlanned } from '../memory-node/load-shards.ts';
import { replayTable } from '../memory-node/replayed-table.ts';
import { type SnapshotTensors, snapshotTensors } from '../memory-node/snapshot-tensors.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { keysEnd } from '../plan/shard-size.ts';
import { snapshotName } from '../store/load.ts';
import { writeSafetensors } from '../store/safetensors-writer.ts';
import { openTableFile, type TableSource } from '../store/table-file.ts';
import { ChangedBytes } from '../updates/changed-rows.ts';
import { type SnapshotShard, type SnapshotTable, snapshotJson } from '../updates/snapshot-state.ts';
import type { UpdateLog } from '../updates/update-log.ts';
import { batchArena } from './batch-arena.ts';

export interface TakenSnapshot {
  readonly tables: number;
  readonly rows: number;
  /** Batches of row updates that the rows have. */
  readonly batches: bigint;
  /** The shards that take updates. */
  readonly shards: readonly SnapshotShard[];
}

/**
 * Writes all planned tables to a file, each shard as it is after some batch: the rows of their file, with the batches of the log.
 * @param tables the planned ones, or a snapshot of them
 * @throws CONFLICT if the log does not have all batches that follow; INVALID_ROUTING if the file has other rows than planned;
 *   INVALID_FILE, INVALID_TABLE, LIMIT_EXCEEDED; as UpdateLog
 */
export async function takeSnapshot(
  log: UpdateLog,
  routing: RoutingTable,
  tables: TableSource,
  out: string,
): Promise<TakenSnapshot> {
  await using file = await openTableFile(tables);
  await checkContents(file, allOnOne(routing));
  const arena = batchArena();
  const memory = new WebAssembly.Memory({ initial: 2 });
  const hasher = { memory, kernels: instantiateKernels(memory) };
  const replaying = { log, arena, hasher, room: new ChangedBytes() };
  const found = new Map(
    loadables(
      file,
      routing.tables.map((table) => ({ table })),
    ).map((from) => [from.spec.name, from]),
  );
  const written: SnapshotTensors[] = [];
  const states: SnapshotTable[] = [];
  for (const [i, table] of routing.tables.entries()) {
    const { name } = table.spec;
    const from = found.get(name);
    if (from === undefined) throw notAsPlanned(file, name, 'is planned, but the file does not list it');
    const given = { file, from, table };
    const replayed = await replayTable(given, replaying);
    written.push(snapshotTensors(given, replayed, arena, i));
    states.push({ name, content: table.content, shards: replayed.shards });
  }
  const metadata = {
    tables: JSON.stringify(written.map(({ stored }) => stored)),
    [snapshotName]: snapshotJson(states),
  };
  const tensors = written.flatMap((table) => table.tensors);
  await writeSafetensors(out, tensors, metadata);
  const shards = states.flatMap((table) => table.shards);
  return {
    tables: written.length,
    rows: written.reduce((sum, { stored }) => sum + stored.rows, 0),
    batches: shards.reduce((sum, { at }) => sum + at.position.number, 0n),
    shards,
  };
}

/** A node that would have all tables: the rows of all of them are compared with the plan. */
function allOnOne({ tables }: RoutingTable): { readonly routing: RoutingTable; readonly node: string } {
  const node = 'snapshot';
  const whole = tables.map((table) => ({ ...table, shards: [{ node, begin: 0, end: keysEnd(table) }] }));
  return { node, routing: { nodes: [{ id: node }], tables: whole } };
}
