// Threads start as many at a time as there are processors.
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { Starts } from '../../src/host/starts.ts';

const most = availableParallelism();

test('each of many starts is begun once, and never more at a time than there are processors', async () => {
  const starts = new Starts();
  let running = 0;
  const seen: number[] = [];
  const begun = Array.from({ length: 5 * most }, (_, i) =>
    starts.run(async () => {
      seen.push(++running);
      await new Promise((turn) => setImmediate(turn));
      running--;
      return i;
    }),
  );
  expect(await Promise.all(begun)).toEqual(begun.map((_, i) => i));
  expect(Math.max(...seen)).toBe(most);
});

test('after a failure, those that wait fail alike without a start, and later ones start again', async () => {
  const starts = new Starts();
  let begun = 0;
  const start = async (): Promise<never> => {
    begun++;
    await new Promise((turn) => setImmediate(turn));
    throw new Error('no memory');
  };
  const all = await Promise.allSettled(Array.from({ length: 3 * most }, () => starts.run(start)));
  expect(all.map((one) => String((one as PromiseRejectedResult).reason))).toEqual(
    all.map(() => 'Error: no memory'),
  );
  expect(begun).toBe(most);
  expect(await starts.run(async () => 7)).toBe(7);
});
