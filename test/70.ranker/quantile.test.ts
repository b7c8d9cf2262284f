import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Quantile } from '../../src/ranker/quantile.ts';
import { random } from '../../src/simulation/random.ts';

/** Shapes of latencies, from a number between 0 and 1. */
const shapes: Record<string, (share: number) => number> = {
  even: (share) => 1 + share,
  exponential: (share) => -Math.log(1 - share),
  'long tail': (share) => (1 - share) ** -0.7,
  'two kinds': (share) => (share < 0.85 ? 1 + share : 20 + share),
};

test('an estimate is near the quantile, also after the values have changed', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.constantFrom(...Object.values(shapes)),
      fc.constantFrom(0.5, 0.9, 0.95),
      fc.double({ min: -5, max: 5, noNaN: true }),
      (seed, shape, share, log) => {
        const draw = random(seed);
        const next = (): number => draw() / 2 ** 32;
        const estimate = new Quantile(share);
        for (const scale of [1, Math.exp(log)]) {
          for (let i = 0; i < 4_000; i++) estimate.add(scale * shape(next()));
          let below = 0;
          // The mean of many moments: at one of them it may be a step away.
          for (let i = 0; i < 4_000; i++) {
            const value = scale * shape(next());
            below += Number(value <= estimate.value);
            estimate.add(value);
          }
          expect(below / 4_000).toBeGreaterThan(share - 0.04);
          expect(below / 4_000).toBeLessThan(share + 0.03);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('an estimate counts its values', () => {
  const estimate = new Quantile(0.95);
  expect([estimate.count, estimate.value]).toEqual([0, 0]);
  estimate.add(7);
  expect([estimate.count, estimate.value]).toEqual([1, 7]);
});
