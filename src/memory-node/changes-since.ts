import { numberedShards, type RoutingTable } from '../plan/routing-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { genesis } from '../updates/chain.ts';
import { endOf } from '../updates/chain-end.ts';
import { chainName } from '../updates/chain-name.ts';
import { batchesBetween, placeAfter } from '../updates/chain-reader.ts';
import { ChangedBytes, ChangedRows } from '../updates/changed-rows.ts';
import type { UpdateLog } from '../updates/update-log.ts';
import { ReplayedShard } from './replayed-shard.ts';
import type { WriterArena } from './writer-arena.ts';

/** The rows of a table that have changed. */
export interface TableChanges {
  readonly spec: TableSpec;
  readonly rows: ChangedRows;
}

/**
 * The last row of each key that was written after so many batches of its shard. Batches that do not fit their shard are left out, as
 * nodes do. @param since 0: from the first batch @returns an entry for each table of the routing table
 * @throws CONFLICT if the log does not have all of these batches; LIMIT_EXCEEDED; as UpdateLog
 */
export async function changesSince(
  log: UpdateLog,
  routing: RoutingTable,
  since: bigint,
  arena: WriterArena,
): Promise<TableChanges[]> {
  const room = new ChangedBytes();
  const changes = new Map(
    routing.tables.map((table) => {
      return [table, { spec: table.spec, rows: new ChangedRows(table.spec.dim, room) }] as const;
    }),
  );
  const incarnation = await log.incarnation();
  for (const { table, shard } of numberedShards(routing)) {
    if (!table.updates) continue;
    const chain = chainName({ table, shard });
    const end = (await endOf(log, chain, incarnation))?.position;
    if (end === undefined || end.number <= since) continue;
    const start = { sequence: 0, position: genesis(incarnation) };
    const from = since === 0n ? start : await placeAfter(log, chain, since);
    const { rows } = changes.get(table) as TableChanges;
    const replayed = new ReplayedShard({ table, shard }, arena, rows);
    for await (const { batch } of batchesBetween(log, chain, from, end)) replayed.apply(batch);
  }
  return [...changes.values()];
}
