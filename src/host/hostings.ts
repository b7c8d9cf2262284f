// Loads from a file what the workers of one memory node serve.
import { instantiateKernels, kernelModule } from '../kernel/files.ts';
import { slotBytesMax, workerSlotBytesDefault } from '../limits.ts';
import { checkContents } from '../memory-node/check-contents.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import { hostingsOf } from '../memory-node/hostings.ts';
import { loadShards } from '../memory-node/load-shards.ts';
import { servedTables } from '../memory-node/served-tables.ts';
import { fingerprint, planText } from '../plan/fingerprint.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { LoadProgress } from '../store/load.ts';
import { Store } from '../store/store.ts';
import { openTableFile, type TableSource } from '../store/table-file.ts';
import { ThreadPool } from '../store/thread-pool.ts';

export interface HostingOptions {
  /** The safetensors file of the tables. */
  readonly tables: TableSource;
  readonly routing: RoutingTable;
  /** The id of the node whose shards are loaded. */
  readonly node: string;
  readonly workers: number;
  /** Compares every row with the digests in the plan. */
  readonly verify?: boolean | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Loads the shards of a node. The workers share the rows. Each worker has its own slots, so no two workers write to the
 * same memory.
 * @throws INVALID_ROUTING, INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY
 */
export async function loadHostings(options: HostingOptions): Promise<Hosting[]> {
  const { routing, node, workers } = options;
  const module = kernelModule('shared');
  const store = new Store(module, { slotBytes: Math.min(workers * workerSlotBytesDefault, slotBytesMax) });
  await using file = await openTableFile(options.tables);
  const memory = new WebAssembly.Memory({ initial: 2 });
  const kernels = instantiateKernels(memory);
  const contents = await checkContents(file, options);
  await using pool = new ThreadPool(workers, store.arenas);
  const shards = await loadShards(store, file, { ...options, kernels, memory, pool });
  const plan = fingerprint(routing);
  const description = {
    node,
    plan: planText(plan),
    contents,
    tables: servedTables(routing, shards),
  };
  return hostingsOf(store, workers, { module, shards, plan, description });
}
