import { Counter, Gauge, type Registry } from 'prom-client';
import type { CacheStats } from '../lookup/cache-memory.ts';

const gauges: readonly (readonly [string, string, keyof CacheStats])[] = [
  ['memory_bytes', 'Memory of the cache; 0 if there is none.', 'bytes'],
  ['used_bytes', 'Bytes of the entries of the cache.', 'usedBytes'],
  ['pinned_bytes', 'Bytes of those that are pinned.', 'pinnedBytes'],
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
