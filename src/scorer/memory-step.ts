// What memory is for: the networks first, as much as the batches of the last while need, and a cache in the rest.
import { cacheGrowthMin, cacheReserveShare, cacheSpareShare } from '../scoring-limits.ts';

/** Bounds of a cache, in bytes, and of everything together. */
export interface CacheBounds {
  readonly capacityBytes: number;
  readonly floorBytes: number;
  readonly ceilingBytes: number;
}

/** How memory is used. */
export interface MemoryUse {
  /** Bytes of everything but caches: with the largest batch that was wanted lately, and as it is now. */
  readonly wantedBytes: number;
  readonly heldBytes: number;
  readonly cacheBytes: number;
  /** Bytes of earlier caches that are not back at the system yet. */
  readonly releasedBytes: number;
}

/** What to do next. `renew`: networks give back what larger batches needed. */
export type MemoryStep = { readonly resize: number } | 'renew' | 'nothing';

/** Bytes that the cache is to have, if batches stay as they are. */
export function cacheTarget({ wantedBytes }: MemoryUse, bounds: CacheBounds): number {
  const room = bounds.capacityBytes - wantedBytes;
  const target = Math.floor(room - reserveOf(room, bounds));
  return Math.min(bounds.ceilingBytes, Math.max(bounds.floorBytes, target));
}

/**
 * The next step towards the target. A smaller cache is built beside the old one, so it has at most what is free now, and grows
 * once the old one is gone. A larger one grows where it is.
 */
export function nextStep(use: MemoryUse, bounds: CacheBounds): MemoryStep {
  const { wantedBytes, heldBytes, cacheBytes, releasedBytes } = use;
  const target = cacheTarget(use, bounds);
  const free = bounds.capacityBytes - heldBytes - cacheBytes - releasedBytes;
  if (wantedBytes + cacheBytes + spareOf(cacheBytes, bounds) > bounds.capacityBytes) {
    if (cacheBytes <= bounds.floorBytes) return 'nothing';
    if (free >= bounds.floorBytes) return { resize: Math.floor(Math.min(target, free)) };
    // An old cache is about to go. If there is none, the cache itself has to go before another one has room.
    return releasedBytes > 0 ? 'nothing' : { resize: 0 };
  }
  if (target < cacheBytes * cacheGrowthMin) return 'nothing';
  const room = bounds.capacityBytes - Math.max(wantedBytes, heldBytes) - releasedBytes;
  const possible = Math.floor(Math.min(target, room - reserveOf(room, bounds)));
  if (possible >= Math.max(cacheBytes * cacheGrowthMin, bounds.floorBytes)) return { resize: possible };
  return heldBytes > wantedBytes && releasedBytes === 0 ? 'renew' : 'nothing';
}

/** Bytes that no batch takes from a cache of this size: the next smaller one is built there. */
export function spareOf(cacheBytes: number, { floorBytes }: CacheBounds): number {
  return cacheBytes > floorBytes ? Math.max(floorBytes, cacheBytes * cacheSpareShare) : 0;
}

/** Bytes that stay free beside a cache that has grown: those, and some by which batches may be larger at once. */
function reserveOf(room: number, { floorBytes }: CacheBounds): number {
  return Math.max(floorBytes, room * cacheReserveShare);
}
