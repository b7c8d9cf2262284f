// One table per node, so that a lookup needs exactly the nodes whose tables it names.
import type { RoutingTable } from '../../src/plan/routing-table.ts';

export const nodes = 4;
/** The node that is slow, if one is. */
export const slowNode = 0;
export const tables = Array.from({ length: nodes }, (_, i) => {
  return { name: `t${i}`, rows: 10_000, dim: 64, mode: 'sum', weighted: false } as const;
});

/** @param ports of the nodes, in order */
export function routingOf(ports?: readonly number[]): RoutingTable {
  const ids = tables.map((_, i) => `n${i}`);
  return {
    nodes: ids.map((id, i) => (ports ? { id, url: `http://127.0.0.1:${ports[i]}` } : { id })),
    tables: tables.map(({ name, rows, dim, mode }, i) => {
      const shards = [{ node: ids[i], begin: 0, end: rows }];
      return { spec: { name, rows, dim, mode }, version: 1, indexed: false, shards };
    }),
  };
}
