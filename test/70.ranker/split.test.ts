// For any cuts of a table, any nodes of its shards and any order of replies, a ranker gives the bits of the reference.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import { cacheBytesMin } from '../../src/limits.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { RankerInput, rankerCases } from './ranker-case.ts';
import { shuffled } from './shuffled.ts';

/** @returns the results as bits, or the key that was refused */
async function outcome(ranker: Ranker, { bags, of: { onMissing } }: RankerInput): Promise<unknown> {
  try {
    return bits(await ranker.lookup(bags, { onMissing }));
  } catch (error) {
    if (!(error instanceof FlexemrError) || error.code !== 'INVALID_KEY') throw error;
    const { field, position = -1, value } = error;
    const keys = bags[String(field).replace('.keys', '')].keys;
    expect(BigInt.asUintN(64, BigInt(value as bigint))).toBe(BigInt.asUintN(64, BigInt(keys[position])));
    return { field, position };
  }
}

test('a ranker gives the bits of the reference for its plan', async () => {
  const seen = { pooled: 0, refused: 0, fetched: 0, pushed: 0, merged: 0, cached: 0 };
  await fc.assert(
    fc.asyncProperty(rankerCases, async (of) => {
      const input = new RankerInput(of);
      const { table, split } = input;
      await using cluster = await Cluster.start({ tables: [table], nodes: of.nodes, split, ports: false });
      const wanted = await input.expected();
      for (const pushDown of ['always', 'never', 'auto'] as const) {
        const transport = shuffled(cluster.loopback(), randomOf(of.seed));
        await using ranker = await cluster.ranker({ transport, pushDown, cache: cacheBytesMin });
        const got = await outcome(ranker, input);
        // The cache has bags of the first lookup now.
        expect(await outcome(ranker, input)).toEqual(got);
        seen.cached += ranker.stats.cache?.hits ?? 0;
        if ('field' in wanted) {
          expect(got).toMatchObject({ field: wanted.field });
          expect(wanted.positions).toContain((got as { position: number }).position);
          seen.refused++;
        } else {
          expect(got).toEqual(wanted);
          seen.pooled++;
          const { segmentsFetched, segmentsPushed } = ranker.stats;
          seen.fetched += segmentsFetched;
          seen.pushed += segmentsPushed;
          if (segmentsFetched + segmentsPushed > 2 * of.features.length) seen.merged++;
        }
      }
    }),
    { numRuns: runs.rankerCases },
  );
  console.log(seen);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(runs.rankerCases / 20);
});
