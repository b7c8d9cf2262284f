// Clusters in this process on a seeded clock (docs/simulation.md). `npm run simulate` runs more seeds.
import { expect, test } from 'vitest';
import { World } from '../../src/simulation/world.ts';
import { runs } from '../runs.ts';
import { changesOf } from '../simulation/changes-plan.ts';
import { type Plan, planOf } from '../simulation/plan.ts';
import { simulateSeed, simulateUpdatesOf } from '../simulation/seed.ts';
import { simulate } from '../simulation/simulation.ts';

test('clusters under load and faults do what they promise', async () => {
  for (let seed = 1; seed <= runs.simulatedSeeds; seed++) {
    const { error } = await simulateSeed(seed);
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
  const seed = seedWith(
    ({ engines }) => engines !== undefined && engines.moves * engines.stalls * engines.deaths > 0,
  );
  const once = await simulate(seed);
  expect(once.events).toBeGreaterThan(100);
  expect(await simulate(seed)).toEqual(once);
});

test('the same seed gives the same run, also of a cluster that changes while nodes end and leases are lost', async () => {
  const seed = changingSeed();
  const once = await simulateSeed(seed);
  expect(once.events).toBeGreaterThan(1_000);
  expect(await simulateSeed(seed)).toEqual(once);
});

test('the same seed gives the same run, also of rows that change while the log loses batches', async () => {
  const seed = 17;
  const once = await simulateUpdatesOf(seed);
  expect(once?.events).toBeGreaterThan(1_000);
  expect(await simulateUpdatesOf(seed)).toEqual(once);
});

/** The first seed in which commands are killed, nodes start again, and leases are lost. */
function changingSeed(): number {
  for (let seed = 1; ; seed++) {
    using world = new World(seed);
    const plan = changesOf(seed, world.dice.fork());
    const wanted = ['restart', 'leases'] as const;
    if (plan && plan.killShare > 0 && wanted.every((fault) => plan.faults.includes(fault))) return seed;
  }
}

/** The first seed with such a plan. */
function seedWith(has: (plan: Plan) => boolean): number {
  for (let seed = 1; ; seed++) {
    using world = new World(seed);
    if (has(planOf(world.dice.fork()))) return seed;
  }
}

test('a simulation leaves the clock, the randomness and the network of the process as they were', async () => {
  const before = [setTimeout, setImmediate, performance.now, Date, Math.random, crypto.getRandomValues];
  await simulate(1);
  const after = [setTimeout, setImmediate, performance.now, Date, Math.random, crypto.getRandomValues];
  expect(after).toEqual(before);
});
