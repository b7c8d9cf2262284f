// A table whose rows are cut over many nodes, so that one lookup has a large reply of every node.
import type { RoutingTable } from '../../src/plan/routing-table.ts';

export const nodes = 64;
export const table = { name: 'big', rows: 64 * 250, dim: 256, mode: 'none', weighted: false } as const;
export const rowsPerNode: number = table.rows / nodes;

/** @param ports of the nodes, in order */
export function routingOf(ports?: readonly number[]): RoutingTable {
  const { name, rows, dim, mode } = table;
  const ids = Array.from({ length: nodes }, (_, i) => `n${i}`);
  const shards = ids.map((node, i) => ({ node, begin: i * rowsPerNode, end: (i + 1) * rowsPerNode }));
  const listed = ids.map((id, i) => (ports ? { id, url: `http://127.0.0.1:${ports[i]}` } : { id }));
  const planned = { spec: { name, rows, dim, mode }, version: 1, indexed: false, shards };
  return { nodes: listed, tables: [planned] };
}
