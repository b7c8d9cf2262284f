// The memory of a ranker: lookups share it, large ones get memory of their own, and none is left behind.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KeyedBags } from '../../src/index.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import type { CacheSize } from '../../src/ranker/cache-size.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { refused } from '../60.transport/rig.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';

const [rows, dim] = [500, 16];
const tables: readonly GivenTable[] = (['sum', 'mean', 'none'] as const).map((mode, i) => ({
  spec: { name: mode, rows, dim, mode },
  rows: Float32Array.from({ length: rows * dim }, (_, j) => Math.fround(Math.cos(i * 1000 + j))),
}));

let cluster: Cluster;
let plain: Ranker;
beforeAll(async () => {
  cluster = await Cluster.start({ tables, nodes: 2, split: 'row', ports: false });
  plain = await open(2 ** 30);
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

function open(workspaceBytes: number, cache: CacheSize = 'off'): Promise<Ranker> {
  const [routing, transport] = [fixedRouting(cluster.routing), cluster.loopback()];
  return InlineRanker.open({ routing, transport, module: kernelModule('ranker'), workspaceBytes, cache });
}

function bagsOf(bags: number, keysPerBag: number): KeyedBags {
  const of = (i: number): KeyedBags[string] => ({
    keys: Uint32Array.from({ length: bags * keysPerBag }, (_, j) => (j * j + i) % rows),
    lengths: new Uint32Array(bags).fill(keysPerBag),
  });
  return { sum: of(1), mean: of(2), none: of(3) };
}

test('with memory of any size, lookups of any size at once give the same bits or say that they need more', async () => {
  const seen = { right: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 30 })), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 10, max: 24 }),
      fc.constantFrom<CacheSize>('off', '64KiB'),
      async (sizes, logBytes, cache) => {
        await using ranker = await open(2 ** logBytes, cache);
        // Twice, because memory that a lookup does not give back is missing later.
        for (let turn = 0; turn < 2; turn++) {
          await Promise.all(
            sizes.map(async ([bags, keysPerBag]) => {
              const asked = bagsOf(bags, keysPerBag);
              const got = await ranker.lookup(asked).then(bits, (error: { code: string }) => error);
              if ('code' in got) {
                expect(got).toMatchObject({ code: 'OUT_OF_MEMORY', field: 'bags' });
                seen.refused++;
              } else {
                expectBits(got, bits(await plain.lookup(asked)));
                seen.right++;
              }
            }),
          );
        }
      },
    ),
    { numRuns: runs.workspaces },
  );
  console.log(seen);
  expect(Math.min(seen.right, seen.refused)).toBeGreaterThan(runs.workspaces / 10);
});

test('a lookup that has no space for what a cache may answer needs no more memory than without one', async () => {
  const seen = { uncached: 0, cached: 0 };
  for (const bags of [10, 40, 160, 640, 1_000, 1_500, 2_000, 2_560]) {
    await using without = await open(2 ** 20);
    await using ranker = await open(2 ** 20, '64KiB');
    const asked = bagsOf(bags, 2);
    const code = await without.lookup(asked).then(bits, ({ code }: { code: string }) => code);
    expect(await ranker.lookup(asked).then(bits, ({ code }: { code: string }) => code)).toEqual(code);
    seen[ranker.stats.cache?.probed === 0 ? 'uncached' : 'cached']++;
  }
  expect(Math.min(seen.uncached, seen.cached)).toBeGreaterThan(0);
});

test('a lookup that needs more than it may says how much that is', async () => {
  await using ranker = await open(2 ** 14);
  const asked = bagsOf(300, 20);
  const error = await refused(ranker.lookup(asked));
  expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', field: 'bags' });
  expect(error.message).toContain(`needs ${error.value} bytes`);
  expectBits(bits(await ranker.lookup(bagsOf(2, 3))), bits(await plain.lookup(bagsOf(2, 3))));
});

test('a small lookup does not wait for one of a million keys', async () => {
  await using ranker = await open(2 ** 30);
  const [large, small] = [bagsOf(20_000, 20), bagsOf(1, 5)];
  const order: string[] = [];
  const both = [
    ranker.lookup(large, { deadline: 60_000 }).then(() => order.push('large')),
    ranker.lookup(small).then(() => order.push('small')),
  ];
  await Promise.all(both);
  expect(order).toEqual(['small', 'large']);
});
