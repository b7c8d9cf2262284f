import type { Arena } from '../store/arena.ts';
import { roomAlignBytes } from '../store/free-list.ts';
import type { Store } from '../store/store.ts';
import type { Hosting, SlotRange } from './hosting.ts';

/**
 * What each of `workers` is told: all of them serve the same shards, and every one has slots of its own, so that what
 * one writes no other touches. @param store with all the room for slots still free
 */
export function hostingsOf(
  store: Store,
  workers: number,
  serving: Pick<Hosting, 'module' | 'shards' | 'plan' | 'description'>,
): Hosting[] {
  // A node without shards still answers, if only that it has none.
  if (store.arenas.length === 0) store.arenaWithRoom(0, 0);
  const { arenas } = store;
  const memories = arenas.map((arena) => arena.memory);
  const ranges = arenas.map((arena) => shares(arena, workers));
  return Array.from({ length: workers }, (_, worker) => {
    return { ...serving, memories, slots: ranges.map((range) => range[worker]) };
  });
}

/** The slots of one arena in equal parts. */
function shares({ slots }: Arena, workers: number): SlotRange[] {
  const share = Math.floor(slots.largest / workers / roomAlignBytes) * roomAlignBytes;
  return Array.from({ length: workers }, () => {
    const begin = slots.allocate(share);
    if (begin === undefined)
      throw new RangeError(`an arena has no room for ${workers} × ${share} bytes of slots`);
    return { begin, end: begin + share };
  });
}
