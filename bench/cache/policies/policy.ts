import type { Entries } from '../entries.ts';

/** A cache with room for a number of bytes. */
export interface Policy {
  /** Bytes of the entries it has. */
  readonly used: number;
  /** Entries that were inserted, or copied to another place, so far. */
  readonly written: number;
  has(id: number): boolean;
  /** Uses an entry. After a miss, the policy may insert it. @returns whether it was there */
  access(id: number): boolean;
}

/** The order in which entries are evicted. It knows the entries that are in the cache. */
export interface Eviction {
  /** Entries that were copied to another place so far. Undefined: none is ever. */
  readonly copies?: number;
  insert(id: number): void;
  hit(id: number): void;
  /** The entry to evict next. It stays until `remove`, so it may also be asked for again. */
  victim(): number;
  remove(id: number): void;
}

/** Says whether a new entry is worth its room, when the cache is full. */
export interface Admission {
  /** Every access of any entry, whether or not it is in the cache. */
  record?(id: number): void;
  /** Once for each candidate. Without it, all are admitted. */
  admits?(candidate: number): boolean;
  /** For each victim of a candidate. Without it, all may be evicted. */
  prefers?(candidate: number, victim: number): boolean;
}

export type EvictionOf = (entries: Entries, capacity: number) => Eviction;
export type AdmissionOf = (entries: Entries, capacity: number) => Admission;
