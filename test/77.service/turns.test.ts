// Requests are read in order, a few in each turn of the event loop, and refused once others wait too long.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { deadlineMsDefault } from '../../src/limits.ts';
import {
  readsPerTurnMax,
  turnBurstMs,
  turnBurstShareMax,
  turnWaitShareMax,
} from '../../src/scoring-limits.ts';
import { Turns } from '../../src/service/turns.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setImmediate', 'performance'] }));
afterEach(() => void vi.useRealTimers());

test('each turn has a few requests, in order of arrival', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 3 * readsPerTurnMax }), { maxLength: 12 }), async (arrivals) => {
      const turns = new Turns();
      const begun: number[] = [];
      let next = 0;
      const waiting: Promise<void>[] = [];
      for (const count of arrivals) {
        for (let i = 0; i < count; i++) {
          const own = next++;
          waiting.push(turns.take().then(() => void begun.push(own)));
        }
        await Promise.resolve();
        const before = begun.length;
        await vi.advanceTimersToNextTimerAsync();
        expect(begun.length - before).toBeLessThanOrEqual(readsPerTurnMax);
      }
      while (vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
      await Promise.all(waiting);
      expect(begun).toEqual([...Array(next).keys()]);
      // Nothing waits, so the next one begins at once.
      await turns.take();
      while (vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
    }),
  );
});

test('a request is refused while another has waited too long, and only then', async () => {
  const turns = new Turns();
  const waiting = Array.from({ length: readsPerTurnMax + 2 }, () => turns.take());
  const since = performance.now();
  const after = (ms: number) => vi.spyOn(performance, 'now').mockReturnValue(since + ms);
  turns.check();
  after(turnWaitShareMax * deadlineMsDefault);
  expect(() => turns.check()).toThrow(expect.objectContaining({ code: 'OVERLOADED', field: 'queue' }));
  await expect(turns.take()).rejects.toMatchObject({ code: 'OVERLOADED' });
  // Longer deadlines leave more time, shorter ones less.
  turns.hasDeadline(2 * deadlineMsDefault);
  turns.check();
  while (vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
  await Promise.all(waiting);
  turns.check();
  vi.restoreAllMocks();
});

test('requests may wait longer in a burst than while others wait all the time', async () => {
  const turns = new Turns();
  for (let i = 0; i < 200; i++) turns.hasDeadline(100);
  const now = vi.spyOn(performance, 'now');
  const [burstMs, standingMs] = [turnBurstShareMax * 110, turnWaitShareMax * 110];
  now.mockReturnValue(0);
  const waiting = Array.from({ length: 2 * readsPerTurnMax }, () => turns.take());
  now.mockReturnValue(standingMs);
  turns.check();
  now.mockReturnValue(burstMs);
  expect(() => turns.check()).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
  // Others come before the last of the earlier ones is read.
  now.mockReturnValue(40);
  waiting.push(turns.take());
  await vi.advanceTimersToNextTimerAsync();
  now.mockReturnValue(60);
  for (let i = 0; i < readsPerTurnMax; i++) waiting.push(turns.take());
  await vi.advanceTimersToNextTimerAsync();
  now.mockReturnValue(turnBurstMs - 1);
  turns.check();
  now.mockReturnValue(turnBurstMs);
  expect(() => turns.check()).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
  while (vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
  await Promise.all(waiting);
  vi.restoreAllMocks();
});
