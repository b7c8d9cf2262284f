// Indexed tables as tables of rows: a simulation does not have their ids.
import type { Bags } from '../plan/bags.ts';
import type { PlannedTable, RoutingTable } from '../plan/routing-table.ts';
import { keysEnd } from '../plan/shard-size.ts';

/** The same routing table, with the rows of indexed tables cut in the same shares. */
export function byRows(routing: RoutingTable): RoutingTable {
  return { ...routing, tables: routing.tables.map((table) => (table.indexed ? rowsOf(table) : table)) };
}

function rowsOf(table: PlannedTable): PlannedTable {
  const { spec, shards } = table;
  const perHash = spec.rows / keysEnd(table);
  const cut = shards.map(({ node, begin, end }) => {
    return { node, begin: Math.round(begin * perHash), end: Math.round(end * perHash) };
  });
  // A padding id is no row number, and a small table may have fewer rows than shards.
  return {
    ...{ ...table, spec: { ...spec, padding: undefined }, indexed: false },
    shards: cut.filter(({ begin, end }) => begin < end),
  };
}

/** Each id becomes a row. Different ids are different rows, as far as there are rows. */
export function idsAsRows(bags: Bags, { spec }: PlannedTable): Bags {
  const rows = BigInt(spec.rows);
  return {
    ...bags,
    keys: Uint32Array.from(bags.keys as ArrayLike<number | bigint>, (id) =>
      Number(BigInt.asUintN(64, BigInt(id)) % rows),
    ),
  };
}
