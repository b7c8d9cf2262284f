// Counts the received bytes of lookups at the ranker's sockets, including connecting and headers.
import { describe, expect, test } from 'vitest';
import type { KeyedBags, RowDtype } from '../../src/index.ts';
import type { PushDown } from '../../src/lookup/asked.ts';
import type { Split } from '../../src/plan/planner.ts';
import { bitsOf } from '../30.plan/expected.ts';
import { Cluster } from '../cluster.ts';
import { describeShape, dim, lookups, MlperfBags, mlperfTables, sum } from './mlperf.ts';

/** The number of samples for one measurement. With so many, connecting takes less than 1/500 of the bytes. */
const samplesMeasured = 256;

console.log(describeShape());

const given = mlperfTables();

function start(nodes: number, split: Split, dtype: RowDtype = 'f32'): Promise<Cluster> {
  const tables = given.map(({ spec, rows }) => ({ spec: { ...spec, dtype }, rows }));
  return Cluster.start({ tables, nodes, split, workers: 1 });
}

interface Measured {
  /** All bytes that were read from sockets since the ranker was opened, per sample. */
  readonly replyBytes: number;
  /** Results of the first lookup. */
  readonly first: object;
}

async function measure(cluster: Cluster, batch: number, pushDown: PushDown): Promise<Measured> {
  await using ranker = await cluster.ranker({ transport: 'stream', pushDown });
  const bags = new MlperfBags(batch);
  const results = async (asked: KeyedBags): Promise<object> =>
    [...(await ranker.lookup(asked))].map(([name, pooled]) => [name, bitsOf(pooled)]);
  const first = await results(bags.draw(batch));
  for (let done = batch; done < samplesMeasured; done += batch) await ranker.lookup(bags.draw(batch));
  return { replyBytes: ranker.stats.bytesIn / Math.max(batch, samplesMeasured), first };
}

/** The bytes of a sample's rows, divided by those of its pooled vectors, if rows are distributed evenly over nodes. */
function computed(nodes: number): number {
  const segments = lookups.map((keys) => nodes * (1 - (1 - 1 / nodes) ** keys));
  return (sum(lookups) * dim * 4) / (sum(segments) * dim * 4);
}

test('the tables have the published shape', () => {
  expect(sum(lookups) * dim * 4).toBe(109_568);
  expect(computed(1)).toBeCloseTo(8.2, 1);
  const spread = [2, 4, 8, 16].map((nodes) => Number(computed(nodes).toFixed(1)));
  expect(spread).toEqual([5.5, 3.7, 2.7, 2.1]);
});

test('pooling whole tables receives an eighth of the bytes of rows; cut tables give the computed bytes', async () => {
  const figures: object[] = [];
  for (const nodes of [1, 2, 4, 8, 16]) {
    await using cluster = await start(nodes, nodes === 1 ? 'table' : 'row');
    const rows = await measure(cluster, 1, 'never');
    const pooled = await measure(cluster, 1, 'always');
    const fewer = rows.replyBytes / pooled.replyBytes;
    figures.push({
      split: nodes === 1 ? 'whole tables' : `by rows over ${nodes} nodes`,
      'rows, B': Math.round(rows.replyBytes),
      'pooled, B': Math.round(pooled.replyBytes),
      'times fewer': fewer.toFixed(2),
      computed: computed(nodes).toFixed(2),
    });
    expect(pooled.first).toEqual(rows.first);
    if (nodes === 1) expect(fewer).toBeGreaterThanOrEqual(8);
    else expect(fewer).toBeGreaterThanOrEqual(0.95 * computed(nodes));
  }
  console.table(figures);
});

describe.for(['f32', 'int8'] as const)('auto, %s', (dtype) => {
  test.for(['table', 'row'] as const)(
    'receives no more bytes than the better of always and never, split by %s',
    async (split) => {
      const figures: object[] = [];
      await using cluster = await start(3, split, dtype);
      for (const batch of [1, 16, 128]) {
        const always = await measure(cluster, batch, 'always');
        const never = await measure(cluster, batch, 'never');
        const auto = await measure(cluster, batch, 'auto');
        const better = Math.min(always.replyBytes, never.replyBytes);
        figures.push({
          'rows, split': `${dtype}, by ${split}`,
          batch,
          'never, B a sample': Math.round(never.replyBytes),
          'always, B': Math.round(always.replyBytes),
          'auto, B': Math.round(auto.replyBytes),
          'auto / better': (auto.replyBytes / better).toFixed(3),
        });
        expect(auto.replyBytes).toBeLessThanOrEqual(1.02 * better);
        expect(auto.first).toEqual(always.first);
        expect(never.first).toEqual(always.first);
      }
      console.table(figures);
    },
  );
});
