// What a lookup says of row updates also crosses the memory of engines, and comes with results that are sent as messages.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { engineThreads } from '../../src/host/engine-threads.ts';
import type { KeyedBags, Lookup } from '../../src/index.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { inFour, wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { UpdatedCluster } from '../70.ranker/updated-cluster.ts';
import { bits } from '../bits.ts';
import { refused } from '../refusal.ts';

let updated: UpdatedCluster;
let inline: Ranker;
let ranker: EngineRanker;
beforeAll(async () => {
  const takes = (shard: number): boolean => shard % 3 !== 0;
  updated = await UpdatedCluster.start({ tables: wholeNumbers, nodes: 3, split: inFour }, takes);
  inline = await updated.cluster.ranker({ transport: 'stream' });
  const threads = engineThreads({ name: 'stream', security: {}, device: undefined });
  ranker = await EngineRanker.open({ routing: fixedRouting(updated.cluster.routing), engines: 2 }, threads);
});
afterAll(async () => {
  await ranker?.close();
  await inline?.close();
  await updated?.[Symbol.asyncDispose]();
});

function updatesOf({ updates }: Lookup): object {
  return Object.fromEntries(updates);
}

const tables = ['sum', 'mean', 'sqrtn', 'none'] as const;
const feature = fc.record({
  table: fc.constantFrom(...tables),
  keys: fc.array(fc.nat({ max: 39 }), { minLength: 1, maxLength: 9 }),
});
const number = fc.bigInt(0n, 2n ** 64n - 1n);

test('engines say the same as a ranker without them', async () => {
  let listed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(feature, { maxLength: 4 }),
      fc.infiniteStream(number),
      async (features, numbers) => {
        updated.serve((shard) => ({ incarnation: shard + 1, number: numbers.next().value }));
        const named = features.map(({ table, keys }, i) => [`f${i}`, { keys, table, offsets: [0] }]);
        const bags: KeyedBags = Object.fromEntries(named);
        const [wanted, got] = [await inline.lookup(bags), await ranker.lookup(bags)];
        expect(bits(got)).toEqual(bits(wanted));
        expect(updatesOf(got)).toEqual(updatesOf(wanted));
        listed += got.updates.size;
        // They stay, when the memory of the results is in use again.
        const [dropped, before] = [await ranker.lookup(bags), updatesOf(got)];
        dropped[Symbol.dispose]();
        await ranker.lookup(bags);
        expect(updatesOf(got)).toEqual(before);
      },
    ),
    { numRuns: 60 },
  );
  expect(listed).toBeGreaterThan(30);
});

test('results that are too large to be copied, and bags that are sent as messages, have them too', async () => {
  updated.serve((shard) => ({ incarnation: 1, number: BigInt(shard) * 2n ** 40n }));
  const many = Array.from({ length: 60_000 }, (_, i) => i % 39);
  const large: KeyedBags = { none: { keys: many, offsets: [0] }, sum: { keys: [1], offsets: [0] } };
  const wanted = updatesOf(await inline.lookup(large));
  expect(updatesOf(await ranker.lookup(large))).toEqual(wanted);
  // Keys of any kind of number go as a message.
  const sum = { keys: new Uint8Array([1, 2]) as never, offsets: [0] };
  const [one, other] = await Promise.allSettled([inline.lookup({ sum }), ranker.lookup({ sum })]);
  expect(other.status).toBe(one.status);
  if (one.status === 'fulfilled' && other.status === 'fulfilled')
    expect(updatesOf(other.value)).toEqual(updatesOf(one.value));
});

test('a mark of updates goes to the engine, with bigints or digits', async () => {
  updated.serve(() => ({ incarnation: 1, number: 2n ** 63n }));
  const bags: KeyedBags = { sum: { keys: [10], offsets: [0] } };
  const [{ shard, incarnation, number }] = (await ranker.lookup(bags)).updates.get('sum') ?? [];
  for (const given of [number, String(number)]) {
    const atLeast = { sum: { [shard]: { incarnation, number: given } } };
    expect((await ranker.lookup(bags, { atLeast })).updates.size).toBe(1);
    const later = { sum: { [shard]: { incarnation: 2, number: given } } };
    const error = await refused(() => ranker.lookup(bags, { atLeast: later }));
    expect(error).toMatchObject({ code: 'STALE_ROWS', field: 'sum', shard });
  }
  const wrong = { sum: { [shard]: { incarnation, number: -1n } } };
  const error = await refused(() => ranker.lookup(bags, { atLeast: wrong }));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', field: `atLeast.sum.${shard}.number` });
});

test('incomplete results say what those nodes have that answered', async () => {
  const [record] = updated.records.get('n1')?.values() ?? [];
  updated.serve(() => ({ incarnation: 9, number: 1n }));
  record.reload();
  const bags: KeyedBags = Object.fromEntries(
    tables.map((table) => [table, { keys: [1, 10, 23, 39], offsets: [0] }]),
  );
  const options = { onFailure: 'partial', deadline: 300 } as const;
  const [wanted, got] = await Promise.all([inline.lookup(bags, options), ranker.lookup(bags, options)]);
  expect(got.failures.map(({ code }) => code)).toEqual(['UNAVAILABLE']);
  expect(got.updates.size).toBeGreaterThan(0);
  expect(updatesOf(got)).toEqual(updatesOf(wanted));
});
