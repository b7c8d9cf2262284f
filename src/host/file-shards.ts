import { instantiateKernels, kernelModule } from '../kernel/files.ts';
import { loadPieceBytesMax, slotBytesMax, workerSlotBytesDefault } from '../limits.ts';
import { checkContents } from '../memory-node/check-contents.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import { type LoadedShard, loadShards, reloadShard } from '../memory-node/load-shards.ts';
import { holdersOf, type NumberedShard } from '../plan/routing-table.ts';
import type { Hasher } from '../store/id-hashes.ts';
import { Store } from '../store/store.ts';
import { openTableFile, type TableSource } from '../store/table-file.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import type { ChainEnd } from '../updates/batch.ts';
import {
  type LoadedRelease,
  LoadedReleases,
  type LoadReleaseOptions,
  type NodeOptions,
  type ShardReader,
} from './loaded-releases.ts';

/** Reads shards of safetensors files, with threads. */
export class FileShards implements ShardReader {
  readonly module: WebAssembly.Module = kernelModule('shared');
  readonly store: Store;
  readonly spareBytes: number = 2 * loadPieceBytesMax;
  readonly #options: NodeOptions;
  readonly #hasher: Hasher;

  /** @param options already checked */
  constructor(options: NodeOptions) {
    this.#options = options;
    const slotBytes = Math.min(options.workers * workerSlotBytesDefault, slotBytesMax);
    this.store = new Store(this.module, { slotBytes });
    const memory = new WebAssembly.Memory({ initial: 2 });
    this.#hasher = { memory, kernels: instantiateKernels(memory) };
  }

  /** @throws INVALID_ROUTING, INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY */
  async read(
    { routing, tables }: LoadedRelease,
    shards: readonly NumberedShard[],
    { onProgress, besideLookups = false }: LoadReleaseOptions,
  ): Promise<{ readonly loaded: readonly LoadedShard[]; readonly contents: Record<string, string> }> {
    await using file = await openTableFile(tables);
    const contents = await checkContents(file, { ...this.#options, routing, besideLookups });
    await using pool = new ThreadPool(
      besideLookups ? 1 : this.#options.workers,
      this.store.arenas,
      besideLookups,
    );
    const options = { ...this.#hasher, shards, pool, onProgress };
    const loaded = await loadShards(this.store, file, options, this.#options.headroom);
    return { loaded, contents };
  }

  async reload(shard: LoadedShard, tables: TableSource): Promise<ChainEnd | undefined> {
    const { table, shard: placed } = shard.planned;
    await using file = await openTableFile(tables);
    const { node, verify } = this.#options;
    const nodes = holdersOf(placed).map((id) => ({ id }));
    await checkContents(file, { node, verify, routing: { nodes, tables: [table] } });
    await using pool = new ThreadPool(1, this.store.arenas);
    return await reloadShard(this.store, file, { ...this.#hasher, pool }, shard);
  }
}

/** Loads the shards of a node once. @returns what each worker needs @throws as LoadedReleases.load */
export async function loadHostings({
  onProgress,
  ...options
}: NodeOptions & LoadedRelease & LoadReleaseOptions): Promise<Hosting[]> {
  const releases = new LoadedReleases(options, new FileShards(options));
  return releases.hostings(await releases.load(options, { onProgress }));
}
