import type { RoutingTable } from '../../src/plan/routing-table.ts';

/** A table of short rows: large frames of it take little work. */
export const grantsTable = { name: 'one', rows: 64, dim: 16, mode: 'sum', weighted: false } as const;
export const grantsNode = 'n';

export function routingOfGrants(): RoutingTable {
  const { name, rows, dim, mode } = grantsTable;
  const shards = [{ node: grantsNode, begin: 0, end: rows }];
  const planned = { spec: { name, rows, dim, mode }, version: 1, indexed: false, shards };
  return { nodes: [{ id: grantsNode }], tables: [planned] };
}
