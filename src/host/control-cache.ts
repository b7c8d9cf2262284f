import type { Ranker } from '../ranker/ranker.ts';
import type { BatchContext } from '../scorer/batch-run.ts';
import { CacheController } from '../scorer/cache-controller.ts';
import type { CacheBytes, ElasticCache } from '../scorer/elastic-cache.ts';
import { MemoryCurve } from '../scorer/memory-curve.ts';
import { collectAll } from './collect-garbage.ts';
import type { DenseThreads } from './dense-threads.ts';
import { measureNetworks } from './measure-networks.ts';
import { rankerOf } from './ranker-source.ts';

/** The cache of a ranker. */
class RankerCache implements ElasticCache {
  readonly #ranker: Ranker;

  constructor(ranker: Ranker) {
    this.#ranker = ranker;
  }

  get memory(): CacheBytes {
    return this.#ranker.cacheMemory;
  }

  async resize(bytes: number): Promise<void> {
    await this.#ranker.resizeCache(bytes);
  }
}

/** Lets the cache of a ranker follow the batches of a scorer, if it is adaptive. @throws as BatchRun.outputs */
export async function controlCache(
  context: BatchContext,
  threads: DenseThreads,
  batchCandidates: number,
  onError: (error: Error) => void,
): Promise<CacheController | undefined> {
  const ranker = rankerOf(context.source);
  const adaptive = ranker?.adaptiveCache;
  if (ranker === undefined || adaptive === undefined) return undefined;
  const { candidateBytes, windowMs, ...bounds } = adaptive;
  const memory = await memoryOf(context, threads, { candidateBytes, batchCandidates, ...bounds });
  return new CacheController({
    ...{ bounds, memory, windowMs, batchCandidates, onError },
    cache: new RankerCache(ranker),
    renew: () => threads.renew(),
    collect: collectAll,
    residentBytes: () => process.memoryUsage.rss(),
  });
}

interface Measuring {
  readonly candidateBytes: number | undefined;
  readonly batchCandidates: number;
  readonly capacityBytes: number;
}

async function memoryOf(
  context: BatchContext,
  threads: DenseThreads,
  { candidateBytes, batchCandidates, capacityBytes }: Measuring,
): Promise<MemoryCurve> {
  if (candidateBytes !== undefined) {
    const bytes = process.memoryUsage.rss();
    return new MemoryCurve([
      { candidates: 0, bytes },
      { candidates: 1, bytes: bytes + candidateBytes },
    ]);
  }
  const measured = await measureNetworks(context, batchCandidates, capacityBytes);
  // The threads have the memory of the largest batch.
  await threads.renew();
  await collectAll();
  return measured;
}
