// Which keys of a cache were updated lately (assembly/ticks.ts).
import * as layout from '../kernel/cache-layout.ts';
import { roundUp } from '../store/free-list.ts';
import { batchRowsMax } from '../update-limits.ts';
import type { LookupMemory } from './lookup-memory.ts';

const ticksBytes = layout.TICK_PLACES * 4;

/** Memory that it needs. */
export const keyTicksBytes: number = roundUp(ticksBytes + batchRowsMax * 8);

/** The ticks of keys in the memory of a cache. */
export class KeyTicks {
  readonly #memory: LookupMemory;
  readonly #cache: number;
  readonly #at: number;

  /** @param cache its address. No entry counts until there is a floor */
  constructor(memory: LookupMemory, cache: number) {
    const at = memory.slots.allocate(keyTicksBytes);
    if (at === undefined) throw new RangeError(`the memory has no ${keyTicksBytes} bytes for updated keys`);
    this.#memory = memory;
    this.#cache = cache;
    this.#at = at;
    memory.words[(cache + layout.CACHE_TICKS) >>> 2] = at;
    this.setFloor(layout.NO_TICK);
  }

  /** Entries with an earlier tick do not count. @param tick NO_TICK: none does */
  setFloor(tick: number): void {
    this.#memory.words[(this.#cache + layout.CACHE_FLOOR) >>> 2] = tick;
  }

  /** Keys of a table were updated. @param keys at most batchRowsMax @param tick not less than any before */
  note(table: number, keys: BigUint64Array, tick: number): void {
    const at = this.#at + ticksBytes;
    this.#memory.longs.set(keys, at >>> 3);
    this.#memory.kernels.noteUpdates(this.#cache, table, at, keys.length, tick);
  }

  /** Takes over what another one knows. */
  adopt(other: KeyTicks): void {
    const from = other.#at >>> 2;
    this.#memory.words.set(other.#memory.words.subarray(from, from + layout.TICK_PLACES), this.#at >>> 2);
  }
}
