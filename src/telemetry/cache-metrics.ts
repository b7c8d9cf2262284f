import { Counter, Gauge, type Registry } from 'prom-client';
import type { CacheStats } from '../lookup/cache-memory.ts';
import type { ControllerStats } from '../scorer/cache-controller.ts';

const gauges: readonly (readonly [string, string, keyof CacheStats])[] = [
  ['memory_bytes', 'Memory of the cache; 0 if there is none.', 'bytes'],
  ['used_bytes', 'Bytes of the entries of the cache.', 'usedBytes'],
  ['pinned_bytes', 'Bytes of those that are pinned.', 'pinnedBytes'],
  ['touched_bytes', 'Bytes of its memory that were ever written.', 'touchedBytes'],
  ['entries', 'Pooled bags in the cache.', 'entries'],
];
const counters: readonly (readonly [string, string, keyof CacheStats])[] = [
  ['probed_bags_total', 'Bags that were looked for in the cache.', 'probed'],
  ['hit_bags_total', 'Bags that the cache had.', 'hits'],
  ['hit_bytes_total', 'Bytes of their vectors, which no node had to send.', 'hitBytes'],
  ['filled_bags_total', 'Bags that were added to the cache.', 'filled'],
  ['evicted_bags_total', 'Bags that made room for others.', 'evicted'],
  [
    'kept_bags_total',
    'Bags that stayed when it was their turn, because they had been used or are pinned.',
    'kept',
  ],
  [
    'rejected_bags_total',
    'Bags that were not added, because they had not been asked for lately.',
    'rejected',
  ],
];

const followed: readonly (readonly [string, string, keyof ControllerStats])[] = [
  ['cache_target_bytes', 'Bytes that an adaptive cache is to have.', 'targetBytes'],
  ['cache_floor_bytes', 'The least memory of an adaptive cache.', 'floorBytes'],
  ['cache_ceiling_bytes', 'The most memory of an adaptive cache.', 'ceilingBytes'],
  ['memory_capacity_bytes', 'Memory of this process, for everything.', 'capacityBytes'],
  [
    'memory_needed_bytes',
    'Memory of everything but the cache, with the largest batch of the window.',
    'neededBytes',
  ],
  [
    'scorer_wanted_candidates',
    'Candidates of the largest batch that was wanted in the window.',
    'wantedCandidates',
  ],
  ['scorer_limit_candidates', 'Most candidates of a batch for which there is memory now.', 'batchCandidates'],
];
const changes: readonly (readonly [string, string, keyof ControllerStats])[] = [
  ['cache_resizes_total', 'Changes of the size of an adaptive cache.', 'resizes'],
  [
    'scorer_dense_renewals_total',
    'How often the networks gave back memory of larger batches, for an adaptive cache.',
    'renewals',
  ],
];

/** Adds the metrics of what an adaptive cache follows. */
export function controllerMetrics(registry: Registry, stats: () => ControllerStats): void {
  const registers = [registry];
  for (const [name, help, field] of followed)
    new Gauge({
      ...{ name: `flexemr_${name}`, help, registers },
      collect(): void {
        this.set(stats()[field]);
      },
    });
  for (const [name, help, field] of changes)
    new Counter({
      ...{ name: `flexemr_${name}`, help, registers },
      collect(): void {
        this.reset();
        this.inc(stats()[field]);
      },
    });
}

/** Adds the metrics of a ranker's cache. @param stats undefined: there is no cache */
export function cacheMetrics(registry: Registry, stats: () => CacheStats | undefined): void {
  const registers = [registry];
  for (const [name, help, field] of gauges)
    new Gauge({
      ...{ name: `flexemr_cache_${name}`, help, registers },
      collect(): void {
        this.set(stats()?.[field] ?? 0);
      },
    });
  for (const [name, help, field] of counters)
    new Counter({
      ...{ name: `flexemr_cache_${name}`, help, registers },
      collect(): void {
        this.reset();
        this.inc(stats()?.[field] ?? 0);
      },
    });
}
