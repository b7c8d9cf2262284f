import type { SimulatedCluster } from '../../src/simulation/cluster.ts';

/** The tables without a shard on a node that is dead, or on another one. */
export function coreTables(
  { nodes, routing }: SimulatedCluster,
  apart?: string,
): SimulatedCluster['routing']['tables'] {
  const gone = new Set(nodes.filter(({ name, dead }) => dead || name === apart).map(({ name }) => name));
  return routing.tables.filter(({ shards }) => shards.every(({ node }) => !gone.has(node)));
}
