import { numberedShards, type RoutingTable } from '../plan/routing-table.ts';
import type { ServedTable } from '../wire/handler.ts';
import type { HostedShard } from './hosting.ts';

/** The tables that a node holds shards of, in the form in which the node lists them. */
export function servedTables(routing: RoutingTable, hosted: readonly HostedShard[]): ServedTable[] {
  const rows = new Map(hosted.map(({ number, rows, spare = 0 }) => [number, rows.rows - spare]));
  const own = numberedShards(routing).filter(({ number }) => rows.has(number));
  return [...Map.groupBy(own, ({ table }) => table)].map(([{ spec, version, indexed }, shards]) => {
    const { name, dim, mode, dtype = 'f32' } = spec;
    const listed = shards.map(({ number, shard: { begin, end } }) => {
      return { shard: number, begin, end, rows: rows.get(number) ?? 0 };
    });
    return { name, dim, mode, dtype, version, indexed, shards: listed };
  });
}
