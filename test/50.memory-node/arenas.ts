// Loads a memory node's rows into several arenas.
import { instantiateKernels, kernelModule } from '../../src/kernel/files.ts';
import type { Hosting } from '../../src/memory-node/hosting.ts';
import { hostingsOf } from '../../src/memory-node/hostings.ts';
import { loadShards, ownShards } from '../../src/memory-node/load-shards.ts';
import { servedTables } from '../../src/memory-node/served-tables.ts';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { Store, type StoreOptions } from '../../src/store/store.ts';
import { ThreadPool } from '../../src/store/thread-pool.ts';

/** @param options of the store, such as the size of an arena @returns the hostings of the workers of a node */
export async function hostingsIn(
  options: StoreOptions,
  { file, routing, node, workers }: { file: string; routing: RoutingTable; node: string; workers: number },
): Promise<Hosting[]> {
  const module = kernelModule('shared');
  const store = new Store(module, options);
  await using tables = await SafetensorsFile.open(file);
  const memory = new WebAssembly.Memory({ initial: 2 });
  const kernels = instantiateKernels(memory);
  const pool = new ThreadPool(1, store.arenas);
  const own = ownShards({ routing, node });
  const loaded = await loadShards(store, tables, { shards: own, kernels, memory, pool });
  const shards = loaded.map(({ hosted }) => hosted);
  const plan = fingerprint(routing);
  const description = { node, plan: String(plan), tables: servedTables(routing, shards) };
  return hostingsOf(store, workers, { module, shards, plan, description });
}
