// Histories of updates and lookups in any order. No bag that a cache answers is older than what its ranker has heard.
import fc from 'fast-check';
import { expect } from 'vitest';
import { kernelModule } from '../../src/kernel/files.ts';
import type { CacheStats } from '../../src/lookup/cache-memory.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { Module } from './cache-cases.ts';
import { FollowedWorld, rows, shardCount } from './followed-world.ts';

const shard = fc.nat({ max: shardCount - 1 });
const step = fc.oneof(
  { weight: 18, arbitrary: fc.record({ do: fc.constant('look up' as const), bag: fc.nat({ max: 11 }) }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('write' as const), shard, key: fc.nat({ max: 19 }) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('apply' as const), shard }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('hear' as const), shard }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('begin' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resize' as const), to: fc.constantFrom(1, 2) }) },
);

export const followedHistories = fc.record({
  seed: fc.nat(),
  steps: fc.array(step, { minLength: 40, maxLength: 300, size: 'max' }),
  isLate: fc.boolean(),
});
type FollowedHistory = typeof followedHistories extends fc.Arbitrary<infer T> ? T : never;

/** Bags of one to three keys, whose places in a row differ. Few keys are in many of them. */
const bags = Array.from({ length: 12 }, (_, i) =>
  [i, 25 + ((i * 5) % 15), 53 + (i % 7)]
    .slice(i % 3)
    .filter((key, at, all) => all.findIndex((other) => other % 20 === key % 20) === at),
);

const hitsOf = (ranker: Ranker): number => (ranker.stats.cache as CacheStats).hits;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** @returns what the cache did */
export async function runFollowed(
  { seed, steps, isLate }: FollowedHistory,
  module: Module = kernelModule('ranker'),
): Promise<CacheStats> {
  await using world = await FollowedWorld.start();
  await using ranker = await world.ranker(module, seed, isLate);
  world.begin();
  const underWay: Promise<boolean>[] = [];
  const resizes: Promise<void>[] = [];
  const lookUp = async (keys: readonly number[]): Promise<boolean> => {
    const floors = keys.map((key) => {
      const of = world.shardOf(key);
      return { heard: of.versionOf(key, of.heard), applied: of.versionOf(key, of.applied) };
    });
    const before = hitsOf(ranker);
    world.current();
    const asked = ranker.lookup({ rows: { keys: [...keys], lengths: [keys.length] } });
    // The cache is asked before anything is waited for.
    const isHit = hitsOf(ranker) > before;
    const found = await asked;
    const vector = found.get('rows')?.values ?? new Float32Array(0);
    for (const [i, key] of keys.entries()) {
      const { heard, applied } = floors[i];
      expect(FollowedWorld.versionIn(vector, key)).toBeGreaterThanOrEqual(isHit ? heard : applied);
    }
    return isHit;
  };
  for (const each of steps) {
    if (each.do === 'look up') {
      const looking = lookUp(bags[each.bag]);
      underWay.push(looking);
      // Of several failures, only one is awaited.
      looking.catch(() => {});
    }
    if (each.do === 'begin') world.begin();
    else if (each.do === 'resize') resizes.push(ranker.resizeCache(each.to * 2 ** 20));
    else if (each.do === 'wait') await turn();
    else if (each.do === 'hear') world.hear(world.shards[each.shard]);
    else if (each.do === 'apply') world.apply(world.shards[each.shard]);
    else if (each.do === 'write')
      world.write(world.shards[each.shard], [(each.shard * rows) / shardCount + each.key]);
  }
  await Promise.all(underWay);
  await Promise.all(resizes);
  for (const of of world.shards) {
    while (of.applied < of.batches.length) world.apply(of);
    while (of.heard < of.batches.length) world.hear(of);
  }
  // Once everything is heard and applied, all bags are found when they come again, and are new.
  for (const keys of bags) await lookUp(keys);
  for (const keys of bags) expect(await lookUp(keys)).toBe(true);
  return ranker.stats.cache as CacheStats;
}
