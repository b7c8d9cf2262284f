import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entries } from '../../bench/cache/entries.ts';
import { allPolicies, offlinePolicies, onlinePolicies } from '../../bench/cache/policies/all.ts';
import { SecondMiss } from '../../bench/cache/policies/second-miss.ts';
import { TinyLfu } from '../../bench/cache/policies/tiny-lfu.ts';
import { Simulation } from '../../bench/cache/simulate.ts';
import { buildTrace } from '../../bench/cache/trace.ts';
import { runs } from '../runs.ts';

const ids = 24;
const accesses = fc
  .array(fc.nat({ max: ids - 1 }), { minLength: 1, maxLength: 300 })
  .map((array) => Uint32Array.from(array));
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: ids, maxLength: ids });
const numRuns = runs.cacheTraces;

function entriesOf(bytes: readonly number[]): Entries {
  return {
    count: ids,
    bytes: Uint32Array.from(bytes),
    saved: new Uint32Array(ids).fill(8),
    ofUser: new Uint8Array(ids),
  };
}

const equalSizes = entriesOf(new Array<number>(ids).fill(10));

function hitsOf(policy: (typeof allPolicies)[number], capacity: number, trace: Uint32Array): number {
  const cache = policy.make(equalSizes, capacity, trace);
  return trace.reduce((hits, id) => hits + (cache.access(id) ? 1 : 0), 0);
}

describe.each([...onlinePolicies, ...offlinePolicies])('$name', (policy) => {
  test('never exceeds its capacity, and knows its bytes', () => {
    fc.assert(
      fc.property(accesses, sizes, fc.integer({ min: 0, max: 200 }), (trace, bytes, capacity) => {
        const cache = policy.make(entriesOf(bytes), capacity, trace);
        for (const id of trace) {
          cache.access(id);
          expect(cache.used).toBeLessThanOrEqual(capacity);
          expect(bytes.reduce((total, size, i) => total + (cache.has(i) ? size : 0), 0)).toBe(cache.used);
        }
      }),
      { numRuns },
    );
  });

  test('hits what it has, and inserts only what is accessed', () => {
    fc.assert(
      fc.property(accesses, sizes, fc.integer({ min: 0, max: 200 }), (trace, bytes, capacity) => {
        const cache = policy.make(entriesOf(bytes), capacity, trace);
        let had: number[] = [];
        for (const id of trace) {
          const here = cache.has(id);
          expect(cache.access(id)).toBe(here);
          const has = [...bytes.keys()].filter((i) => cache.has(i));
          expect(has.filter((i) => !had.includes(i) && i !== id)).toEqual([]);
          had = has;
        }
      }),
      { numRuns },
    );
  });
});

test.for([...onlinePolicies, offlinePolicies[0]])('Belady has at least the hits of $name', (policy) => {
  const belady = offlinePolicies[1];
  fc.assert(
    fc.property(accesses, fc.integer({ min: 0, max: ids }), (trace, room) => {
      expect(hitsOf(belady, room * 10, trace)).toBeGreaterThanOrEqual(hitsOf(policy, room * 10, trace));
    }),
    { numRuns },
  );
});

test('LRU is an array that is sorted by last use', () => {
  fc.assert(
    fc.property(accesses, sizes, fc.integer({ min: 40, max: 200 }), (trace, bytes, capacity) => {
      const cache = onlinePolicies[0].make(entriesOf(bytes), capacity, trace);
      let model: number[] = [];
      for (const id of trace) {
        expect(cache.access(id)).toBe(model.includes(id));
        model = [id, ...model.filter((other) => other !== id)];
        while (model.reduce((total, i) => total + bytes[i], 0) > capacity) model.pop();
      }
    }),
    { numRuns },
  );
});

test('TinyLFU never counts too few uses before it ages, and halves them then', () => {
  const admission = new TinyLfu(equalSizes, 160);
  for (let use = 0; use < 12; use++) admission.record(3);
  for (let use = 0; use < 3; use++) admission.record(5);
  expect(admission.usesOf(3)).toBeGreaterThanOrEqual(12);
  expect(admission.prefers(3, 5)).toBe(true);
  expect(admission.prefers(5, 3)).toBe(false);
  for (let use = 15; use < 160; use++) admission.record(7);
  expect([3, 5, 7].map((id) => admission.usesOf(id))).toEqual([6, 1, 7]);
});

test('an entry is admitted at its second miss, unless the first one was long ago', () => {
  const admission = new SecondMiss(equalSizes, 1_600);
  expect([3, 3].map((id) => admission.admits(id))).toEqual([false, true]);
  // A generation ends after 80 new entries. The first entry is forgotten with the one after it.
  for (let id = 100; id < 180; id++) admission.admits(id);
  expect(admission.admits(3)).toBe(true);
  for (let id = 200; id < 300; id++) admission.admits(id);
  expect(admission.admits(3)).toBe(false);
});

test('entries of users are admitted at their first miss', () => {
  const admission = new SecondMiss(equalSizes, 1_600, Uint8Array.of(0, 1));
  expect([0, 1].map((id) => admission.admits(id))).toEqual([false, true]);
});

test('a segment is hit as a whole, and its rows one by one', () => {
  // Two tables of dim 4, so a reply has 20 bytes. The first third of the accesses fills the cache.
  const tables = [1, 2].map((number) => ({ name: `table ${number}`, rows: 100, dim: 4 }));
  const trace = buildTrace('trace', tables, (emit) => {
    for (const key of [1, 2, 3]) emit(0, [key]);
    emit(0, [1, 2]);
    emit(0, [2, 1]);
    emit(0, [1, 2]);
    emit(1, [1, 2]);
    emit(0, [3]);
    emit(0, [4]);
  });
  const simulation = new Simulation(trace);
  const policy = (name: string): (typeof allPolicies)[number] => {
    return allPolicies.find((one) => one.name === name) as (typeof allPolicies)[number];
  };
  const segments = simulation.run(policy('LRU'), 1);
  expect(segments).toEqual({
    ...{
      segmentHits: 2 / 6,
      replyBytes: 2 / 6,
      nodeKeys: 3 / 10,
      rowHits: 7 / 10,
      writes: 4 / 6,
      fillBytes: 0,
      ofUsers: 0,
    },
  });
  const rows = simulation.run(policy('rows: LRU'), 1);
  expect(rows).toEqual({
    ...{
      segmentHits: 4 / 6,
      replyBytes: 4 / 6,
      nodeKeys: 7 / 10,
      rowHits: 7 / 10,
      writes: 3 / 6,
      fillBytes: 2 / 6,
      ofUsers: 0,
    },
  });
  // The bags are short, so they are cached as rows.
  expect(simulation.run(policy('rows to 2 keys: CLOCK, 2 bits + second miss'), 1)).toEqual(rows);
});
