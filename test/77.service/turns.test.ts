// Requests are read in order, one in each turn of the event loop, and refused once others wait too long.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { turnWaitMsMax } from '../../src/scoring-limits.ts';
import { Turns } from '../../src/service/turns.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setImmediate', 'performance'] }));
afterEach(() => void vi.useRealTimers());

test('each turn has one request, in order of arrival', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 4 }), { maxLength: 12 }), async (arrivals) => {
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
        expect(begun.length - before).toBeLessThanOrEqual(1);
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
  const waiting = [turns.take(), turns.take(), turns.take()];
  const since = performance.now();
  turns.check();
  vi.spyOn(performance, 'now').mockReturnValue(since + turnWaitMsMax);
  expect(() => turns.check()).toThrow(expect.objectContaining({ code: 'OVERLOADED', field: 'queue' }));
  await expect(turns.take()).rejects.toMatchObject({ code: 'OVERLOADED' });
  while (vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
  await Promise.all(waiting);
  turns.check();
  vi.restoreAllMocks();
});
