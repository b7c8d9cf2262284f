// A memory node in this very thread: what MemoryNodeHost makes on threads of their own.
import { loadHostings } from '../src/host/hostings.ts';
import type { Hosting } from '../src/memory-node/hosting.ts';
import { MemoryNode } from '../src/memory-node/memory-node.ts';
import type { RoutingTable } from '../src/plan/routing-table.ts';

export interface LocalNodeOptions {
  /** A safetensors file. */
  readonly tables: string;
  readonly routing: RoutingTable;
  readonly node: string;
  /** Room for frames and replies, of each arena: what the node offers to take at once is a share of it. */
  readonly slotBytes?: number | undefined;
}

/** Loads a node's shards, and serves them as its only worker. @throws as MemoryNodeHost.start */
export async function localNode(options: LocalNodeOptions): Promise<MemoryNode> {
  return (await localHosting(options)).node;
}

/** The same, with what it serves. */
export async function localHosting({
  slotBytes,
  ...options
}: LocalNodeOptions): Promise<{ node: MemoryNode; hosting: Hosting }> {
  const [hosting] = await loadHostings({ ...options, workers: 1 });
  const slots = hosting.slots.map(({ begin, end }) => {
    return { begin, end: Math.min(end, begin + (slotBytes ?? Number.POSITIVE_INFINITY)) };
  });
  const node = new MemoryNode(options.node, []);
  node.host({ ...hosting, slots });
  return { node, hosting };
}
