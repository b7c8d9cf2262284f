// Bags that are the same are sent, pooled and answered once, and their results are those of bags that are sent each.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bags, KeyedBags, TableMode } from '../../src/index.ts';
import { keyedJagged } from '../../src/index.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { refused } from '../60.transport/rig.ts';
import { bits, expectSame } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';

const [rows, dim] = [40, 8];
const modes: readonly TableMode[] = ['sum', 'mean', 'sqrtn', 'max'];
const tables: readonly GivenTable[] = modes.map((mode, i) => ({
  spec: { name: mode, rows, dim, mode, missing: 'skip', padding: 3 },
  rows: Float32Array.from({ length: rows * dim }, (_, j) => Math.fround(Math.sin(i * 1000 + j))),
}));

const requests = fc.record({
  seed: fc.nat(),
  /** Lengths of the distinct bags. */
  lengths: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 6 }),
  /** Which of them each result is of. */
  inverse: fc.array(fc.nat(), { minLength: 1, maxLength: 60 }),
  weighted: fc.boolean(),
});

/** The bags of every table: each once with an inverse, and the same said out in full. */
function bagsOf({
  seed,
  lengths,
  inverse,
  weighted,
}: typeof requests extends fc.Arbitrary<infer T> ? T : never): {
  readonly once: KeyedBags;
  readonly each: KeyedBags;
} {
  const random = randomOf(seed);
  const drawn = lengths.map((length) =>
    Array.from({ length }, () => ({ key: Math.floor(random() * (rows + 2)), weight: random() })),
  );
  const of = (bags: typeof drawn, mode: TableMode): Bags => ({
    keys: Uint32Array.from(bags.flat(), ({ key }) => key),
    lengths: bags.map(({ length }) => length),
    weights: weighted && mode !== 'max' ? Float32Array.from(bags.flat(), ({ weight }) => weight) : undefined,
  });
  const which = inverse.map((bag) => bag % lengths.length);
  const full = which.map((bag) => drawn[bag]);
  return {
    once: Object.fromEntries(modes.map((mode) => [mode, { ...of(drawn, mode), inverse: which }])),
    each: Object.fromEntries(modes.map((mode) => [mode, of(full, mode)])),
  };
}

test.for(['table', 'row'] as const)(
  'by %s, results of shared bags are those of bags sent each',
  async (split) => {
    await using cluster = await Cluster.start({ tables, nodes: 2, split, ports: false });
    await using local = await cluster.tables();
    await using ranker = await cluster.ranker({ transport: 'loopback' });
    await using plain = await cluster.ranker({ transport: 'loopback', deduplicateBags: false });
    let repeated = 0;
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const { once, each } = bagsOf(request);
        const wanted = await plain.lookup(each);
        const before = ranker.stats.bagsRepeated;
        expectSame(await ranker.lookup(each), wanted);
        repeated += ranker.stats.bagsRepeated - before;
        for (const source of [ranker, local]) {
          const [got, wanted] = [await source.lookup(once), await source.lookup(each)];
          // Positions count the keys that were given, so only the vectors are the same.
          const vectors = (lookup: typeof got): object[] =>
            Array.from(lookup, ([name, { values, counts }]) => ({
              name,
              values: values.slice(),
              counts: counts.slice(),
            }));
          expect(vectors(got)).toEqual(vectors(wanted));
          for (const [name, { distinct }] of got) {
            expect([...(distinct?.inverse ?? [])]).toEqual(once[name].inverse);
            expect(distinct?.counts.length).toBe(request.lengths.length);
          }
        }
        expect(plain.stats.bagsRepeated).toBe(0);
      }),
      { numRuns: runs.paddedLookups },
    );
    expect(repeated).toBeGreaterThan(0);
  },
);

test('128 candidates of one user: the bags of the user come back once', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  const user = Array.from({ length: 30 }, (_, i) => (i * 7) % rows);
  const each: KeyedBags = {
    sum: { keys: Array.from({ length: 128 }, () => user).flat(), lengths: new Uint32Array(128).fill(30) },
  };
  const once: KeyedBags = { sum: { keys: user, lengths: [30], inverse: new Uint32Array(128) } };
  const bytesIn = async (bags: KeyedBags, deduplicateBags: boolean): Promise<number> => {
    const transport = cluster.loopback();
    await using ranker = await cluster.ranker({ transport, pushDown: 'always', deduplicateBags });
    expect((await ranker.lookup(bags)).get('sum')?.values.length).toBe(128 * dim);
    return transport.traffic().bytesIn;
  };
  const full = await bytesIn(each, false);
  expect(await bytesIn(each, true)).toBe(full - 127 * (dim * 4 + 4));
  expect(await bytesIn(once, false)).toBe(full - 127 * (dim * 4 + 4));
});

test('a KeyedJaggedTensor may have inverse indices', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  const jagged = { keys: ['sum', 'mean'], values: Uint32Array.of(1, 2, 4, 5), lengths: [1, 1, 0, 2] };
  const got = await ranker.lookup(keyedJagged({ ...jagged, inverse: [0, 1, 1, 1, 0, 0] }));
  const given = { offsets: undefined, includeLastOffset: undefined };
  const wanted = await ranker.lookup({
    sum: { ...given, keys: [1, 2], lengths: [1, 1], inverse: [0, 1, 1] },
    mean: { ...given, keys: [4, 5], lengths: [0, 2], inverse: [1, 0, 0] },
  });
  expect(bits(got)).toEqual(bits(wanted));
  const wrong = (): unknown => keyedJagged({ ...jagged, inverse: [0, 1, 1] });
  expect(wrong).toThrow(/inverse must be an array of as many results for each of the 2 features/);
});

test.for<[string, unknown, object]>([
  ['a bag that there is not', [0, 2], { code: 'INVALID_BAGS', field: 'sum.inverse', position: 1, value: 2 }],
  ['half a bag', [0.5], { code: 'INVALID_BAGS', field: 'sum.inverse', position: 0, value: 0.5 }],
  [
    'a negative bag',
    BigInt64Array.of(-1n),
    { code: 'INVALID_BAGS', field: 'sum.inverse', position: 0, value: -1n },
  ],
  ['text', 'bags', { code: 'INVALID_BAGS', field: 'sum.inverse', value: 'bags' }],
])('an inverse with %s is refused', async ([, inverse, error]) => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  await using local = await cluster.tables();
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  const bags = { sum: { keys: [1, 2], lengths: [1, 1], inverse: inverse as number[] } };
  for (const source of [local, ranker]) expect(await refused(source.lookup(bags))).toMatchObject(error);
});
