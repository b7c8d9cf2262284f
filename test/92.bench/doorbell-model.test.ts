// The model of shared doorbells against small networks that can be solved by hand, a simulation, and measurements.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fitted,
  type PostTimes,
  predictOwn,
  predictRatio,
  predictShared,
  type RatioPoint,
} from '../../bench/engines/doorbell-model.ts';
import { below, random } from '../../src/simulation/random.ts';

const plain: PostTimes = { outsideNs: 80, heldNs: 150, lockNs: 0, movedNs: 0, spinningNs: 0 };
const anyTimes = fc.record({
  outsideNs: fc.integer({ min: 1, max: 2000 }),
  heldNs: fc.integer({ min: 1, max: 500 }),
  lockNs: fc.constant(0),
  movedNs: fc.integer({ min: 0, max: 200 }),
  spinningNs: fc.integer({ min: 0, max: 200 }),
});

test('one engine never waits', () => {
  fc.assert(
    fc.property(anyTimes, fc.integer({ min: 1, max: 16 }), (times, doorbells) => {
      const { rate, contended } = predictShared(times, 1, doorbells);
      expect(rate).toBeCloseTo(predictOwn(times, 1), 3);
      expect(contended).toBeCloseTo(0, 9);
    }),
  );
});

test('the lock alone costs its time', () => {
  const times = { ...plain, lockNs: 30 };
  for (const doorbells of [1, 16]) expect(predictRatio(times, 1, doorbells)).toBeCloseTo(230 / 200, 9);
});

test('one doorbell is the machine repairman, whose formula is known', () => {
  for (const engines of [1, 2, 3, 8]) {
    // The probability that all engines are outside: one by the sum of n!/(n-k)! · (held/outside)^k.
    let term = 1;
    let sum = 1;
    for (let k = 1; k <= engines; k++) sum += term *= ((engines - k + 1) * plain.heldNs) / plain.outsideNs;
    const busy = 1 - 1 / sum;
    expect(predictShared(plain, engines, 1).rate).toBeCloseTo((busy * 1e9) / plain.heldNs, 3);
  }
});

test('two engines: mean value analysis by hand', () => {
  const { outsideNs, heldNs } = plain;
  for (const doorbells of [1, 2, 16]) {
    const found = heldNs / doorbells / (outsideNs + heldNs);
    const response = heldNs * (1 + found);
    const { rate, contended } = predictShared(plain, 2, doorbells);
    expect(rate).toBeCloseTo(2e9 / (outsideNs + response), 3);
    expect(contended).toBeCloseTo(found, 9);
  }
});

test('two engines of which one spins: the steady state by hand', () => {
  const times = { ...plain, movedNs: 20, spinningNs: 60 };
  // States: how many of two engines are at the doorbell. Rates go up while engines are outside, down while it serves.
  const [up0, up1] = [2 / 80, 1 / 80];
  const [down1, down2] = [1 / 160, 1 / 220];
  const weights = [1, up0 / down1, ((up0 / down1) * up1) / down2];
  const total = weights.reduce((a, b) => a + b);
  const rate = (weights[1] * down1 + weights[2] * down2) / total;
  expect(predictShared(times, 2, 1).rate).toBeCloseTo(rate * 1e9, 3);
});

test('more engines wait more, more doorbells less', () => {
  fc.assert(
    fc.property(anyTimes, fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 15 }), (times, n, d) => {
      const here = predictRatio(times, n, d);
      expect(here).toBeGreaterThan(1 - 1e-9);
      expect(predictRatio(times, n + 1, d)).toBeGreaterThan(here - 1e-9);
      expect(predictRatio(times, n, d + 1)).toBeLessThan(here + 1e-9);
      expect(predictRatio(times, n, d, 'first')).toBeLessThan(here + 1e-9);
    }),
  );
});

test('a simulation of the same engines agrees', () => {
  const times = { outsideNs: 80, heldNs: 150, lockNs: 0, movedNs: 20, spinningNs: 40 };
  for (const [engines, doorbells] of [
    [4, 1],
    [8, 4],
  ] as const)
    expect(simulated(times, engines, doorbells) / predictShared(times, engines, doorbells).rate).toBeCloseTo(
      1,
      1.5,
    );
});

/** Jumps from state to state of the network. @returns posts per second */
function simulated(times: PostTimes, engines: number, doorbells: number): number {
  const next = random(7);
  const present = new Array<number>(doorbells).fill(0);
  let outside = engines;
  let ns = 0;
  let posts = 0;
  const alone = times.heldNs + (times.movedNs * (engines - 1)) / engines;
  for (let jump = 0; jump < 400_000; jump++) {
    const rates = present.map((k) => (k === 0 ? 0 : 1 / (alone + times.spinningNs * (k - 1))));
    const leaving = outside / times.outsideNs;
    let left = (next() / 2 ** 32) * rates.reduce((a, b) => a + b, leaving);
    ns += 1 / rates.reduce((a, b) => a + b, leaving);
    if (left < leaving) {
      outside--;
      present[below(next, doorbells)]++;
      continue;
    }
    left -= leaving;
    let at = 0;
    while (at < doorbells - 1 && left >= rates[at]) left -= rates[at++];
    present[at]--;
    outside++;
    posts++;
  }
  return (posts * 1e9) / ns;
}

describe('fitting', () => {
  test('finds the times that made the points', () => {
    const times = { outsideNs: 75, heldNs: 145, lockNs: 12, movedNs: 31, spinningNs: 88 };
    const points = [16, 1].map((doorbells) => ({
      engines: 2,
      doorbells,
      ratio: predictRatio(times, 2, doorbells),
    }));
    expect(fitted({ outsideNs: 75, heldNs: 145, lockNs: 12 }, points)).toEqual(times);
  });

  // Two threads on a 2-CPU AMD EPYC, as docs/engines.md says.
  const measured = { outsideNs: 58.4, heldNs: 176.9, lockNs: 27.4 };
  const point = (doorbells: number, ratio: number): RatioPoint => ({ engines: 2, doorbells, ratio });

  test('predicts the ratios that it was not fitted to', () => {
    const times = fitted(measured, [point(16, 1.156), point(1, 1.836)]);
    for (const { engines, doorbells, ratio } of [point(4, 1.251), point(2, 1.336)]) {
      const error = predictRatio(times, engines, doorbells) / ratio;
      expect(error).toBeGreaterThan(1);
      expect(error).toBeLessThan(1.12);
    }
  });

  test('predicts how many posts wait, which nothing was fitted to', () => {
    const times = fitted(measured, [point(16, 1.156), point(1, 1.836)]);
    for (const [doorbells, waited] of [
      [16, 0.042],
      [4, 0.169],
      [2, 0.36],
    ] as const) {
      const error = predictShared(times, 2, doorbells).contended / waited;
      expect(error).toBeGreaterThan(1);
      expect(error).toBeLessThan(1.2);
    }
  });
});
