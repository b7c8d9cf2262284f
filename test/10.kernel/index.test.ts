import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import type { Kernels } from '../../src/kernel/kernels.ts';
import {
  BUCKET_BYTES,
  BUCKET_KEYS,
  DONE,
  INDEX_FULL,
  INDEX_HEADER_BYTES,
  INDEX_SCRATCH_BYTES,
  NONE,
} from '../../src/kernel/layout.ts';
import { runs } from '../runs.ts';
import { PoisonedMemory } from './poisoned.ts';

const batchMax = 1500;

/** An index between poisoned bytes, which takes and returns arrays. */
class IndexUnderTest {
  readonly poisoned = new PoisonedMemory(24, true, 1);
  readonly kernels: Kernels = instantiateKernels(this.poisoned.memory);
  readonly index: number;
  readonly keys: number = this.poisoned.place(batchMax * 8, 8, true);
  readonly slots: number = this.poisoned.place(batchMax * 4, 4, true);
  readonly scratch: number = this.poisoned.place(INDEX_SCRATCH_BYTES, 16, true);

  constructor(buckets: number) {
    this.index = this.poisoned.place(INDEX_HEADER_BYTES + buckets * BUCKET_BYTES, 64, true);
    this.poisoned.seal();
    this.kernels.indexClear(this.index, buckets);
  }

  run(
    operation: 'indexFind' | 'indexInsert' | 'indexRemove',
    keys: readonly bigint[],
    slots: readonly number[] = [],
  ): { status: number | undefined; slots: number[] } {
    new BigUint64Array(this.poisoned.memory.buffer, this.keys, keys.length).set(keys);
    const slotsView = new Uint32Array(this.poisoned.memory.buffer, this.slots, keys.length);
    slotsView.set(slots);
    const status = this.kernels[operation](this.index, this.keys, this.slots, keys.length, this.scratch);
    return { status: status ?? undefined, slots: [...slotsView] };
  }

  entries(buckets: number): Map<bigint, number> {
    const all = new Map<bigint, number>();
    const step = Math.floor(batchMax / BUCKET_KEYS);
    for (let first = 0; first < buckets; first += step) {
      const count = this.kernels.indexEntries(this.index, first, first + step, this.keys, this.slots);
      const keys = new BigUint64Array(this.poisoned.memory.buffer, this.keys, count);
      const slots = new Uint32Array(this.poisoned.memory.buffer, this.slots, count);
      keys.forEach((key, i) => {
        all.set(key, slots[i]);
      });
    }
    return all;
  }
}

// Few different keys, so that histories repeat them. They include the bit patterns of free places.
const key = fc.oneof(
  fc.bigInt({ min: 0n, max: 400n }),
  fc.constantFrom(0n, 0xffffffffffffffffn, 1n << 63n, 0xffffffffn),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const step = fc.record({
  operation: fc.constantFrom('indexFind' as const, 'indexInsert' as const, 'indexRemove' as const),
  keys: fc.array(key, { maxLength: 700, size: 'max' }),
});

test('an index behaves like a Map for any history, full or not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.array(step, { maxLength: 12 }), (buckets, history) => {
      const index = new IndexUnderTest(buckets);
      const capacity = Math.floor((buckets * BUCKET_KEYS * 3) / 5);
      const model = new Map<bigint, number>();
      let slot = 0;
      for (const { operation, keys } of history) {
        const slots = keys.map(() => slot++);
        const got = index.run(operation, keys, slots);
        if (operation === 'indexFind') expect(got.slots).toEqual(keys.map((k) => model.get(k) ?? NONE));
        if (operation === 'indexRemove') {
          expect(got.slots).toEqual(
            keys.map((k) => {
              const was = model.get(k) ?? NONE;
              model.delete(k);
              return was;
            }),
          );
        }
        if (operation === 'indexInsert') {
          const full = keys.findIndex((k, i) => {
            if (!model.has(k) && model.size >= capacity) return true;
            model.set(k, slots[i]);
            return false;
          });
          expect(got.status).toBe(full < 0 ? DONE : INDEX_FULL);
        }
        expect(index.poisoned.words[(index.index + 4) >>> 2]).toBe(model.size);
      }
      expect(index.entries(buckets)).toEqual(model);
      expect(index.poisoned.strayWrites()).toEqual([]);
    }),
    { numRuns: runs.indexHistories },
  );
});

test('keys that all belong to one bucket can be found and removed', () => {
  const buckets = 64;
  const index = new IndexUnderTest(buckets);
  const capacity = Math.floor((buckets * BUCKET_KEYS * 3) / 5);
  // The keys of a single bucket: alone in an index of this size, each of them is stored in bucket 7.
  const crowd: bigint[] = [];
  for (let candidate = 1n; crowd.length < capacity; candidate++) {
    index.run('indexInsert', [candidate], [1]);
    if (index.kernels.indexEntries(index.index, 7, 8, index.keys, index.slots) === 1) crowd.push(candidate);
    index.run('indexRemove', [candidate]);
  }
  expect(index.run('indexInsert', crowd, crowd.map(Number)).status).toBe(DONE);
  expect(index.run('indexFind', crowd).slots).toEqual(crowd.map(Number));
  expect(index.run('indexInsert', [0n], [0]).status).toBe(INDEX_FULL);
  const [gone, kept] = [crowd.filter((_, i) => i % 2), crowd.filter((_, i) => i % 2 === 0)];
  index.run('indexRemove', gone);
  expect(index.run('indexFind', kept).slots).toEqual(kept.map(Number));
  expect(index.run('indexFind', gone).slots).toEqual(gone.map(() => NONE));
  index.run('indexRemove', kept);
  expect(index.entries(buckets).size).toBe(0);
});
