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
  readonly unit: string;
  /** Bags with at most so many keys are cached as rows. Longer ones are cached whole. */
  readonly rowsTo: number;
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
  'second miss, users at once': (entries, capacity) => new SecondMiss(entries, capacity, entries.ofUser),
};

function online(eviction: string, admission: string, rowsTo: number): NamedPolicy {
  const unit = rowsTo === 0 ? 'segments' : rowsTo < Infinity ? `rows to ${rowsTo} keys` : 'rows';
  const named = admission === 'all' ? eviction : `${eviction} + ${admission}`;
  return {
    ...{ name: rowsTo === 0 ? named : `${unit}: ${named}`, eviction, admission, unit, rowsTo },
    make: (entries, capacity) => {
      const admits = admissions[admission](entries, capacity);
      return new Cache(entries, capacity, evictions[eviction](entries, capacity), admits);
    },
  };
}

export const onlinePolicies: readonly NamedPolicy[] = Object.keys(evictions).flatMap((eviction) =>
  ['all', 'TinyLFU', 'second miss'].map((admission) => online(eviction, admission, 0)),
);

/** Only sessions have users. */
export const usersAtOnce: NamedPolicy = online('CLOCK, 2 bits', 'second miss, users at once', 0);

/** For comparison: admission by the use of rows, for all bags or for short ones. */
export const rowPolicies: readonly NamedPolicy[] = [
  online('LRU', 'all', Infinity),
  online('CLOCK', 'TinyLFU', Infinity),
  ...[Infinity, 2, 4, 8].map((rowsTo) => online('CLOCK, 2 bits', 'second miss', rowsTo)),
];

/** These know what comes. */
export const offlinePolicies: readonly NamedPolicy[] = [
  {
    ...{ name: 'fixed set', eviction: 'fixed set', admission: 'all', unit: 'segments', rowsTo: 0 },
    make: (...args) => new Fixed(...args),
  },
  {
    ...{ name: 'Belady', eviction: 'Belady', admission: 'all', unit: 'segments', rowsTo: 0 },
    make: (...args) => new Belady(...args),
  },
];

export const allPolicies: readonly NamedPolicy[] = [...onlinePolicies, ...rowPolicies, ...offlinePolicies];
