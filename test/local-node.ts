// A memory node in this thread. MemoryNodeHost does the same with threads for workers.
import { loadHostings } from '../src/host/loaded-releases.ts';
import type { Hosting } from '../src/memory-node/hosting.ts';
import { MemoryNode } from '../src/memory-node/memory-node.ts';
import type { RoutingTable } from '../src/plan/routing-table.ts';
import type { Tracer } from '../src/wire/trace.ts';

export interface LocalNodeOptions {
  /** A safetensors file. */
  readonly tables: string;
  readonly routing: RoutingTable;
  readonly node: string;
  /** The bytes for frames and replies in each arena. The node's limit for a frame is a share of them. */
  readonly slotBytes?: number | undefined;
  readonly tracer?: Tracer | undefined;
  /** Changes what is served. */
  readonly adapt?: ((hosting: Hosting, node: string) => Hosting) | undefined;
}

/** Loads a node's shards, and serves them as its only worker. @throws as MemoryNodeHost.start */
export async function localNode(options: LocalNodeOptions): Promise<MemoryNode> {
  return (await localHosting(options)).node;
}

/** Loads a node's shards. @returns the node and its hosting */
export async function localHosting({
  slotBytes,
  tracer,
  adapt = (hosting) => hosting,
  ...options
}: LocalNodeOptions): Promise<{ node: MemoryNode; hosting: Hosting }> {
  const [hosting] = await loadHostings({ ...options, workers: 1 });
  const slots = hosting.slots.map(({ begin, end }) => {
    return { begin, end: Math.min(end, begin + (slotBytes ?? Number.POSITIVE_INFINITY)) };
  });
  const node = new MemoryNode(options.node, [], { tracer });
  const adapted = adapt({ ...hosting, slots }, options.node);
  node.host(adapted);
  return { node, hosting: { ...hosting, shards: adapted.shards } };
}
