// A ranker's cache changes no bit of any result, whatever it holds, forgets and adds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bags, KeyedBags, TableMode } from '../../src/index.ts';
import { cacheBytesMin } from '../../src/limits.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { expectSame } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';

const rows = 400;
const modes: readonly TableMode[] = ['sum', 'mean', 'sqrtn', 'max', 'none'];
const tables: readonly GivenTable[] = [4, 100].flatMap((dim) =>
  modes.map((mode) => ({
    spec: { name: `${mode}${dim}`, rows, dim, mode, missing: 'skip', padding: 3 } as const,
    rows: Float32Array.from({ length: rows * dim }, (_, i) => Math.fround(Math.sin(i * 1000 + dim))),
  })),
);

/** Bags of all tables. Most come again in other lookups, alone or beside new ones. */
const histories = fc.record({
  seed: fc.nat(),
  /** How many different bags there are of each table, and how many of each a lookup has. */
  bags: fc.constantFrom(60, 3_000),
  lookups: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 8, maxLength: 24, size: 'max' }),
  longest: fc.constantFrom(1, 3, 12),
  weighted: fc.constantFrom('never', 'sometimes'),
  pushDown: fc.constantFrom('always', 'never', 'auto'),
});
type History = typeof histories extends fc.Arbitrary<infer T> ? T : never;

function lookupsOf({ seed, bags, lookups, longest, weighted }: History): KeyedBags[] {
  const random = randomOf(seed);
  return lookups.map((count) => {
    const entries = tables.map(({ spec: { name, mode } }): [string, Bags] => {
      const drawn = Array.from({ length: count }, () => {
        // The bag is a function of its number, so the same number is the same bag in every lookup.
        const own = randomOf(1 + Math.floor(random() ** 2 * bags));
        // Few are too long for a cache.
        const length = own() < 0.002 ? 300 : Math.floor(own() * (longest + 1));
        return Array.from({ length }, () => ({ key: Math.floor(own() * (rows + 1)), weight: own() }));
      });
      const isWeighted = weighted === 'sometimes' && mode !== 'max' && mode !== 'none' && random() < 0.5;
      const keys = Uint32Array.from(drawn.flat(), ({ key }) => key);
      const weights = isWeighted ? Float32Array.from(drawn.flat(), ({ weight }) => weight) : undefined;
      return [name, { keys, lengths: drawn.map(({ length }) => length), weights }];
    });
    return Object.fromEntries(entries);
  });
}

test.for(['table', 'row'] as const)(
  'by %s, lookups have the bits that they have without it',
  async (split) => {
    await using cluster = await Cluster.start({ tables, nodes: 3, split, ports: false });
    const seen = { hits: 0, filled: 0, evicted: 0, kept: 0, rejected: 0 };
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const { pushDown } = history;
        await using ranker = await cluster.ranker({ transport: 'loopback', pushDown, cache: cacheBytesMin });
        await using plain = await cluster.ranker({ transport: 'loopback', pushDown });
        for (const bags of lookupsOf(history))
          expectSame(await ranker.lookup(bags), await plain.lookup(bags));
        const { cache } = ranker.stats;
        if (cache === undefined) throw new Error('there is no cache');
        for (const name of Object.keys(seen) as (keyof typeof seen)[]) seen[name] += cache[name];
        expect(cache.usedBytes).toBeLessThanOrEqual(cache.bytes);
        expect(cache.entries).toBeLessThanOrEqual(cache.filled - cache.evicted);
        expect(cache.hits).toBeLessThanOrEqual(cache.probed);
        expect(ranker.stats.bytesIn).toBeLessThanOrEqual(plain.stats.bytesIn);
      }),
      { numRuns: runs.cacheHistories },
    );
    console.log(seen);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  },
);
