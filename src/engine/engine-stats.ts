// What an engine has counted, in memory that the application reads at any time.
import type { CacheStats } from '../lookup/cache-memory.ts';
import type { CacheMemoryBytes, RankerStats } from '../ranker/ranker.ts';

type Counter = Exclude<keyof RankerStats, 'cache'>;
const counters: readonly Counter[] = [
  'lookups',
  'subrequests',
  'retries',
  'hedged',
  'hedgesWon',
  'segmentsPushed',
  'segmentsFetched',
  'bagsRepeated',
  'cacheReleasedBytes',
  'bytesOut',
  'bytesIn',
  'replyBytesUnderWay',
  'repliesHeld',
];
const cacheCounters: readonly (keyof CacheStats)[] = [
  'bytes',
  'entries',
  'usedBytes',
  'touchedBytes',
  'pinnedBytes',
  'probed',
  'hits',
  'hitBytes',
  'filled',
  'evicted',
  'kept',
  'rejected',
  'stale',
  'following',
];
/** After the counters: whether there is a cache. Then its counters. */
const hasCacheAt = counters.length;
const cacheAt = hasCacheAt + 1;

export function writeStats(to: Float64Array, stats: RankerStats): void {
  for (let i = 0; i < counters.length; i++) to[i] = stats[counters[i]];
  to[hasCacheAt] = Number(stats.cache !== undefined);
  if (stats.cache === undefined) return;
  for (let i = 0; i < cacheCounters.length; i++) to[cacheAt + i] = stats.cache[cacheCounters[i]];
}

/** The sums over engines. */
export function sumOfStats(all: readonly Float64Array[]): RankerStats {
  const sum = (at: number): number => all.reduce((total, stats) => total + stats[at], 0);
  const own = Object.fromEntries(counters.map((counter, i) => [counter, sum(i)]));
  const cache = Object.fromEntries(cacheCounters.map((counter, i) => [counter, sum(cacheAt + i)]));
  return { ...own, cache: sum(hasCacheAt) > 0 ? cache : undefined } as unknown as RankerStats;
}

export function cacheMemoryOf({ cache, cacheReleasedBytes }: RankerStats): CacheMemoryBytes {
  const { bytes = 0, touchedBytes = 0 } = cache ?? {};
  return { bytes, touchedBytes, releasedBytes: cacheReleasedBytes };
}
