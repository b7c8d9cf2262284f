// Clusters in this process on a seeded clock (docs/simulation.md). `npm run simulate` runs more seeds.
import { expect, test } from 'vitest';
import { runs } from '../runs.ts';
import { simulate } from '../simulation/simulation.ts';

test('clusters under load and faults do what they promise', async () => {
  for (let seed = 1; seed <= runs.simulatedSeeds; seed++) {
    const { error } = await simulate(seed);
    expect(error, `npm run simulate -- --seeds 1 --first ${seed}`).toBeUndefined();
  }
});

test('the same seed gives the same run', async () => {
  const seeds = [7, 1_000_003];
  const once = await simulate(seeds[0]);
  const other = await simulate(seeds[1]);
  const again = await simulate(seeds[0]);
  expect(again).toEqual(once);
  expect(once.events).toBeGreaterThan(100);
  expect(other.digest).not.toBe(once.digest);
});

test('the same seed gives the same run, also of engines that stall, die, and pass connections on', async () => {
  const once = await simulate(2);
  expect(once.plan.engines).toMatchObject({ engines: 3, moves: 10, stalls: 1, deaths: 2 });
  expect(await simulate(2)).toEqual(once);
});

test('a simulation leaves the clock, the randomness and the network of the process as they were', async () => {
  const before = [setTimeout, setImmediate, performance.now, Date, Math.random, crypto.getRandomValues];
  await simulate(1);
  const after = [setTimeout, setImmediate, performance.now, Date, Math.random, crypto.getRandomValues];
  expect(after).toEqual(before);
});
