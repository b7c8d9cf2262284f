// Pinned entries of the cache: those of pinned tables, as long as all of them take at most CACHE_PINNED_MAX bytes. They are
// never the ones that make room.

import { CACHE_PINNED, CACHE_PINNED_MAX, CACHE_PINS, ENTRY_PIN, ENTRY_TABLE, PIN_BYTES, PIN_NUMBER, PIN_USED } from '../src/kernel/cache-layout';

/** @param pin TABLE_PIN, not 0 */
@inline function pinAt(cache: usize, pin: u32): usize { return load<u32>(cache, CACHE_PINS) + (<usize>(pin - 1)) * PIN_BYTES; }

/** Whether an entry of so many bytes would be pinned. @param pin,number TABLE_PIN and TABLE_NUMBER of its table */
export function canPin(cache: usize, pin: u32, number: u32, bytes: u32): bool {
  if (!pin || load<u32>(pinAt(cache, pin), PIN_NUMBER) != number) return false;
  return load<u32>(cache, CACHE_PINNED) + bytes <= load<u32>(cache, CACHE_PINNED_MAX);
}

/** Pins an entry if it can be pinned. */
export function pinEntry(cache: usize, entry: usize, pin: u32, bytes: u32): void {
  const pinned = canPin(cache, pin, load<u32>(entry, ENTRY_TABLE), bytes);
  store<u32>(entry, pinned ? pin : 0, ENTRY_PIN);
  if (pinned) addPinned(cache, pin, bytes);
}

/** Whether an entry is pinned: it was, and its table has kept its number. */
export function isPinned(cache: usize, entry: usize): bool {
  const pin = load<u32>(entry, ENTRY_PIN);
  return pin != 0 && load<u32>(pinAt(cache, pin), PIN_NUMBER) == load<u32>(entry, ENTRY_TABLE);
}

/** No longer counts a pinned entry. */
export function unpin(cache: usize, entry: usize, bytes: u32): void { addPinned(cache, load<u32>(entry, ENTRY_PIN), 0 - bytes); }

@inline function addPinned(cache: usize, pin: u32, bytes: u32): void {
  store<u32>(pinAt(cache, pin), load<u32>(pinAt(cache, pin), PIN_USED) + bytes, PIN_USED);
  store<u32>(cache, load<u32>(cache, CACHE_PINNED) + bytes, CACHE_PINNED);
}
