// An engine looks for work as long as it pays.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Patience } from '../../src/engine/patience.ts';
import { engineSpinUsMax, engineSpinUsMin } from '../../src/engine-limits.ts';

const soon = engineSpinUsMax / 1000;
const late = (engineSpinUsMax + 1) / 1000;

test('it never waits longer than it may, nor so little that it is not worth it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (gaps) => {
      const patience = new Patience(engineSpinUsMax);
      for (const ms of gaps) {
        patience.learn(ms);
        if (patience.ms === 0) continue;
        expect(patience.ms).toBeGreaterThanOrEqual(engineSpinUsMin / 1000);
        expect(patience.ms).toBeLessThanOrEqual(engineSpinUsMax / 1000);
      }
    }),
  );
});

test('it waits if work comes soon, and ever less if not', () => {
  const patience = new Patience(engineSpinUsMax);
  expect(patience.ms).toBe(0);
  for (let i = 0; i < 8; i++) patience.learn(soon);
  expect(patience.ms).toBe(engineSpinUsMax / 1000);
  // One that is late costs only half of it.
  patience.learn(late);
  patience.learn(soon);
  expect(patience.ms).toBe(engineSpinUsMax / 1000);
  for (let i = 0; i < 8; i++) patience.learn(late);
  expect(patience.ms).toBe(0);
});

test('it never waits if there are too few processors', () => {
  const patience = new Patience(0);
  for (let i = 0; i < 8; i++) patience.learn(0);
  expect(patience.ms).toBe(0);
});
