import { holdersOf } from '../../src/plan/routing-table.ts';
import type { SimulatedCluster } from '../../src/simulation/cluster.ts';

/** The tables that have every shard on a node that is not dead, and is not another one. */
export function coreTables(
  { nodes, routing }: SimulatedCluster,
  apart?: string,
): SimulatedCluster['routing']['tables'] {
  const gone = new Set(nodes.filter(({ name, dead }) => dead || name === apart).map(({ name }) => name));
  return routing.tables.filter(({ shards }) =>
    shards.every((shard) => holdersOf(shard).some((node) => !gone.has(node))),
  );
}
