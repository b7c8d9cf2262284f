import type { Entries } from '../entries.ts';

/** A cache with room for a number of bytes. */
export interface Policy {
  /** Bytes of the entries it has. */
  readonly used: number;
  has(id: number): boolean;
  /** Uses an entry. After a miss, the policy may insert it. @returns whether it was there */
  access(id: number): boolean;
}

/** The order in which entries are evicted. It knows the entries that are in the cache. */
export interface Eviction {
  insert(id: number): void;
  hit(id: number): void;
  /** The entry to evict next. It stays until `remove`, so it may also be asked for again. */
  victim(): number;
  remove(id: number): void;
}

/** Says whether a new entry is worth its room. */
export interface Admission {
  /** Counts a use of any entry, whether or not it is in the cache. */
  record(id: number): void;
  prefers(candidate: number, victim: number): boolean;
}

export type EvictionOf = (entries: Entries, capacity: number) => Eviction;
