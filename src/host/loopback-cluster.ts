import { checkFields, options as optionsOf } from '../check.ts';
import { MemoryNode } from '../memory-node/memory-node.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import { LoopbackTransport } from '../transport/loopback.ts';
import { loadHostings } from './file-shards.ts';
import { type ClusterOptions, clusterFields, planCluster } from './plan-cluster.ts';

/** Memory nodes in this process. With this routing table and transport, a ranker reaches them without a network. */
export interface LoopbackCluster {
  readonly routing: RoutingTable;
  readonly transport: LoopbackTransport;
}

/**
 * Plans and loads memory nodes in this process, all on this thread.
 * @throws INVALID_OPTION, as planCluster, OUT_OF_MEMORY, MISSING_DEPENDENCY
 */
export async function loopbackCluster(options: ClusterOptions): Promise<LoopbackCluster> {
  checkFields(optionsOf(clusterFields), options);
  const { routing: planned } = await planCluster(options);
  // These addresses are only names for routing and messages. Nothing listens there.
  const nodes = planned.nodes.map((node) => ({ ...node, url: `http://${node.id}.loopback` }));
  const routing = { ...planned, nodes };
  const handlers = new Map<string, MemoryNode>();
  const tracer = await loadTracer();
  for (const { id, url } of nodes) {
    const memoryNode = new MemoryNode(id, [], { tracer });
    const [hosting] = await loadHostings({ tables: options.tables, routing, node: id, workers: 1 });
    memoryNode.host(hosting);
    handlers.set(url, memoryNode);
  }
  return { routing, transport: new LoopbackTransport(handlers) };
}
