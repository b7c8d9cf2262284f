import type { Entries } from '../entries.ts';
import { Belady } from './belady.ts';
import { Cache } from './cache.ts';
import { Clock } from './clock.ts';
import { Fixed } from './fixed.ts';
import { Lru } from './lru.ts';
import type { EvictionOf, Policy } from './policy.ts';
import { S3Fifo } from './s3-fifo.ts';
import { Sieve } from './sieve.ts';
import { TinyLfu } from './tiny-lfu.ts';

/** A way to cache. */
export interface NamedPolicy {
  readonly name: string;
  /** The name without the admission. */
  readonly eviction: string;
  readonly admission: 'all' | 'TinyLFU';
  /** What is cached. */
  readonly unit: 'segments' | 'rows';
  /** @param accesses of entries, in order: for policies that know what comes */
  make(entries: Entries, capacity: number, accesses: Uint32Array): Policy;
}

export const evictions: Readonly<Record<string, EvictionOf>> = {
  LRU: (entries) => new Lru(entries),
  CLOCK: (entries) => new Clock(entries),
  SIEVE: (entries) => new Sieve(entries),
  'S3-FIFO': (entries, capacity) => new S3Fifo(entries, capacity),
};

function online(
  eviction: string,
  admission: NamedPolicy['admission'],
  unit: NamedPolicy['unit'],
): NamedPolicy {
  const named = admission === 'all' ? eviction : `${eviction} + ${admission}`;
  return {
    ...{ name: unit === 'rows' ? `rows: ${named}` : named, eviction, admission, unit },
    make: (entries, capacity) => {
      const tinyLfu = admission === 'all' ? undefined : new TinyLfu(entries, capacity);
      return new Cache(entries, capacity, evictions[eviction](entries, capacity), tinyLfu);
    },
  };
}

export const onlinePolicies: readonly NamedPolicy[] = Object.keys(evictions).flatMap((eviction) => [
  online(eviction, 'all', 'segments'),
  online(eviction, 'TinyLFU', 'segments'),
]);

/** For comparison: admission by the frequency of rows. */
export const rowPolicies: readonly NamedPolicy[] = [
  online('LRU', 'all', 'rows'),
  online('CLOCK', 'TinyLFU', 'rows'),
];

/** These know what comes. */
export const offlinePolicies: readonly NamedPolicy[] = [
  {
    ...{ name: 'fixed set', eviction: 'fixed set', admission: 'all', unit: 'segments' },
    make: (...args) => new Fixed(...args),
  },
  {
    ...{ name: 'Belady', eviction: 'Belady', admission: 'all', unit: 'segments' },
    make: (...args) => new Belady(...args),
  },
];

export const allPolicies: readonly NamedPolicy[] = [...onlinePolicies, ...rowPolicies, ...offlinePolicies];
