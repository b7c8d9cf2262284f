// Memory that is given out overlaps nothing, and all of it can be given out again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SlotPool } from '../../src/engine/slot-pool.ts';
import { runs } from '../runs.ts';

const [begin, end] = [4_096, 4_096 + 2 ** 20];
const steps = fc.array(
  fc.oneof(fc.record({ take: fc.integer({ min: 1, max: 2 ** 17 }) }), fc.record({ free: fc.nat() })),
  { maxLength: 200, size: 'max' },
);

test('slots do not overlap, and are given out again', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const pool = new SlotPool(begin, end);
      const given: { address: number; bytes: number }[] = [];
      for (const step of all) {
        if ('take' in step) {
          const bytes = step.take;
          const address = pool.allocate(bytes);
          if (address === undefined) continue;
          expect(address % 64).toBe(0);
          expect(address >= begin && address + bytes <= end).toBe(true);
          for (const other of given)
            expect(address + bytes <= other.address || other.address + other.bytes <= address).toBe(true);
          given.push({ address, bytes });
        } else if (given.length > 0) {
          const [{ address, bytes }] = given.splice(step.free % given.length, 1);
          pool.free(address, bytes);
        }
      }
      for (const { address, bytes } of given) pool.free(address, bytes);
      // Half of the memory may be kept in other sizes.
      expect(pool.allocate((end - begin) / 2)).toBeDefined();
    }),
    { numRuns: runs.roomHistories },
  );
});
