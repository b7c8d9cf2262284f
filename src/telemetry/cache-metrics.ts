import { Counter, Gauge, type Registry } from 'prom-client';
import type { CacheStats } from '../lookup/cache-memory.ts';
import type { ControllerStats } from '../scorer/controller-stats.ts';

/** A name without `flexemr_`, a help, and the field that has the value. */
type Rows<Field> = readonly (readonly [string, string, Field])[];

const gauges: Rows<keyof CacheStats> = [
  ['cache_memory_bytes', 'Memory of the cache; 0 if there is none.', 'bytes'],
  ['cache_used_bytes', 'Bytes of the entries of the cache.', 'usedBytes'],
  ['cache_pinned_bytes', 'Bytes of those that are pinned.', 'pinnedBytes'],
  ['cache_touched_bytes', 'Bytes of its memory that were ever written.', 'touchedBytes'],
  ['cache_entries', 'Pooled bags in the cache.', 'entries'],
  [
    'cache_following',
    '1 if bags of tables that take updates are cached now, because their updates are heard.',
    'following',
  ],
];
const counters: Rows<keyof CacheStats> = [
  ['cache_probed_bags_total', 'Bags that were looked for in the cache.', 'probed'],
  ['cache_hit_bags_total', 'Bags that the cache had.', 'hits'],
  ['cache_hit_bytes_total', 'Bytes of their vectors, which no node had to send.', 'hitBytes'],
  ['cache_filled_bags_total', 'Bags that were added to the cache.', 'filled'],
  ['cache_evicted_bags_total', 'Bags that made room for others.', 'evicted'],
  [
    'cache_kept_bags_total',
    'Bags that stayed when it was their turn, because they had been used or are pinned.',
    'kept',
  ],
  [
    'cache_rejected_bags_total',
    'Bags that were not added, because they had not been asked for lately.',
    'rejected',
  ],
  ['cache_stale_bags_total', 'Bags that the cache had, but a row of theirs was updated meanwhile.', 'stale'],
];

const followed: Rows<keyof ControllerStats> = [
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
const changes: Rows<keyof ControllerStats> = [
  ['cache_resizes_total', 'Changes of the size of an adaptive cache.', 'resizes'],
  [
    'scorer_dense_renewals_total',
    'How often the networks gave back memory of larger batches, for an adaptive cache.',
    'renewals',
  ],
];

/** Adds the metrics of what an adaptive cache follows. */
export function controllerMetrics(registry: Registry, stats: () => ControllerStats): void {
  addMetrics(registry, followed, changes, (field) => stats()[field]);
}

/** Adds the metrics of a ranker's cache. @param stats undefined: there is no cache */
export function cacheMetrics(registry: Registry, stats: () => CacheStats | undefined): void {
  addMetrics(registry, gauges, counters, (field) => stats()?.[field] ?? 0);
}

function addMetrics<Field>(
  registry: Registry,
  current: Rows<Field>,
  total: Rows<Field>,
  read: (field: Field) => number,
): void {
  const registers = [registry];
  for (const [name, help, field] of current)
    new Gauge({
      ...{ name: `flexemr_${name}`, help, registers },
      collect(): void {
        this.set(read(field));
      },
    });
  for (const [name, help, field] of total)
    new Counter({
      ...{ name: `flexemr_${name}`, help, registers },
      collect(): void {
        this.reset();
        this.inc(read(field));
      },
    });
}
