import type { Entries } from '../entries.ts';
import { Belady } from './belady.ts';
import { Cache } from './cache.ts';
import { Clock } from './clock.ts';
import { Fixed } from './fixed.ts';
import { Lru } from './lru.ts';
import type { AdmissionOf, EvictionOf, Policy } from './policy.ts';
import { S3Fifo } from './s3-fifo.ts';
import { SecondMiss } from './second-miss.ts';
import { Sieve } from './sieve.ts';
import { TinyLfu } from './tiny-lfu.ts';

/** A way to cache. */
export interface NamedPolicy {
  readonly name: string;
  /** The name without the admission. */
  readonly eviction: string;
  readonly admission: string;
  /** What is cached. */
  readonly unit: 'segments' | 'rows';
  /** @param accesses of entries, in order: for policies that know what comes */
  make(entries: Entries, capacity: number, accesses: Uint32Array): Policy;
}

const evictions: Readonly<Record<string, EvictionOf>> = {
  LRU: (entries) => new Lru(entries),
  CLOCK: (entries) => new Clock(entries, 1),
  'CLOCK, 2 bits': (entries) => new Clock(entries, 3),
  SIEVE: (entries) => new Sieve(entries),
  'S3-FIFO': (entries, capacity) => new S3Fifo(entries, capacity),
};

const admissions: Readonly<Record<string, AdmissionOf>> = {
  all: () => ({}),
  TinyLFU: (entries, capacity) => new TinyLfu(entries, capacity),
  'second miss': (entries, capacity) => new SecondMiss(entries, capacity),
};

function online(eviction: string, admission: string, unit: NamedPolicy['unit']): NamedPolicy {
  const named = admission === 'all' ? eviction : `${eviction} + ${admission}`;
  return {
    ...{ name: unit === 'rows' ? `rows: ${named}` : named, eviction, admission, unit },
    make: (entries, capacity) => {
      const admits = admissions[admission](entries, capacity);
      return new Cache(entries, capacity, evictions[eviction](entries, capacity), admits);
    },
  };
}

export const onlinePolicies: readonly NamedPolicy[] = Object.keys(evictions).flatMap((eviction) =>
  Object.keys(admissions).map((admission) => online(eviction, admission, 'segments')),
);

/** For comparison: admission by the frequency of rows. */
export const rowPolicies: readonly NamedPolicy[] = [
  online('LRU', 'all', 'rows'),
  online('CLOCK', 'TinyLFU', 'rows'),
  online('CLOCK, 2 bits', 'second miss', 'rows'),
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
