// A cache follows updates of rows.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kernelModule } from '../../src/kernel/files.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { followedHistories, runFollowed } from './followed-cases.ts';
import { FollowedWorld } from './followed-world.ts';

test('no bag that a cache answers is older than what was heard, in whatever order things happen', async () => {
  const seen = { hits: 0, stale: 0, filled: 0 };
  await fc.assert(
    fc.asyncProperty(followedHistories, async (history) => {
      const stats = await runFollowed(history);
      seen.hits += stats.hits;
      seen.stale += stats.stale;
      seen.filled += stats.filled;
    }),
    { numRuns: runs.followed },
  );
  console.log(seen);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

test('a ranker that cannot be opened hears nothing any more', async () => {
  await using world = await FollowedWorld.start();
  const error = await refused(() => world.ranker(kernelModule('ranker'), 1, false, 'no table'));
  expect(error.code).toBe('INVALID_OPTION');
  expect(world.isClosed).toBe(true);
});
