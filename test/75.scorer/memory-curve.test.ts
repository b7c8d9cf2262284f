// What is known of the memory of batches, and how many candidates it allows.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryCurve } from '../../src/scorer/memory-curve.ts';

const steps = fc.array(fc.record({ candidates: fc.integer({ min: 1, max: 1_000 }), bytes: fc.nat(1e6) }), {
  minLength: 2,
  maxLength: 8,
});

test('as many candidates as there are bytes for, and not one more', () => {
  fc.assert(
    fc.property(steps, fc.nat(1e7), (drawn, bytes) => {
      // Bytes that were drawn may decrease. A larger batch never counts as less.
      const points = drawn.map(({ bytes: own }, i) => {
        const candidates = drawn.slice(0, i + 1).reduce((sum, step) => sum + step.candidates, 0);
        return { candidates, bytes: own };
      });
      const curve = new MemoryCurve(points);
      const within = curve.within(bytes);
      if (within > 0) expect(curve.bytes(within)).toBeLessThanOrEqual(bytes + 1e-6);
      if (within > 0 && within < 1e9) expect(curve.bytes(within + 1)).toBeGreaterThan(bytes - 1e-6);
      else if (within === 0) expect(curve.bytes(0)).toBeGreaterThan(bytes);
      for (const point of points)
        expect(curve.bytes(point.candidates)).toBeGreaterThanOrEqual(point.bytes - 1e-6);
    }),
  );
});
