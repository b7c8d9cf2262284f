import type { Arena } from '../store/arena.ts';
import { allocationAlignBytes } from '../store/free-list.ts';
import type { Store } from '../store/store.ts';
import type { Hosting, SlotRange } from './hosting.ts';

/**
 * Returns the hosting of each worker. All workers serve the same shards. Each worker has its own slots, so no two
 * workers write to the same memory. @param store all its space for slots must be free
 */
export function hostingsOf(
  store: Store,
  workers: number,
  serving: Pick<Hosting, 'module' | 'shards' | 'plan' | 'description'>,
): Hosting[] {
  // A node without shards needs memory too: it still answers, even if only that it has no shards.
  if (store.arenas.length === 0) store.arenaWithSpace(0, 0);
  const { arenas } = store;
  const memories = arenas.map((arena) => arena.memory);
  const ranges = arenas.map((arena) => slotShares(arena, workers));
  return Array.from({ length: workers }, (_, worker) => {
    return { ...serving, memories, slots: ranges.map((range) => range[worker]) };
  });
}

/** Divides the slots of one arena into equal parts. @param spareBytes that stay free, for rows that are loaded later */
export function slotShares({ slots }: Arena, workers: number, spareBytes = 0): SlotRange[] {
  const bytes = Math.max(slots.largest / 2, slots.largest - spareBytes);
  const share = Math.floor(bytes / workers / allocationAlignBytes) * allocationAlignBytes;
  return Array.from({ length: workers }, () => {
    const begin = slots.allocate(share);
    if (begin === undefined)
      throw new RangeError(`an arena has no space for ${workers} × ${share} bytes of slots`);
    return { begin, end: begin + share };
  });
}
