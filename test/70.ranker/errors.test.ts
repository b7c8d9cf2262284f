// A ranker refuses wrong lookups with the same code, field, position and value as one process.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError, type KeyedBags, type Tables } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { Cluster } from '../cluster.ts';
import type { GivenTable } from '../tables-file.ts';

const rows = Float32Array.from({ length: 100 * 4 }, (_, i) => i);
const shape = { rows: 100, dim: 4 };
const ids = BigUint64Array.from({ length: 100 }, (_, i) => BigInt(i) * 0x9e3779b97f4a7c15n);
const tables: readonly GivenTable[] = [
  { spec: { name: 'sum', mode: 'sum', ...shape }, rows },
  { spec: { name: 'mean', mode: 'mean', padding: 3, ...shape }, rows },
  { spec: { name: 'max', mode: 'max', ...shape }, rows },
  { spec: { name: 'none', mode: 'none', ...shape }, rows },
  { spec: { name: 'skip', mode: 'sum', missing: 'skip', ...shape }, rows },
  { spec: { name: 'ids', mode: 'sum', ...shape }, rows, ids },
];

const ok = { keys: [1, 2, 3], lengths: [1, 2] };
const wide = (...keys: bigint[]): BigUint64Array =>
  BigUint64Array.from(keys, (key) => BigInt.asUintN(64, key));

/** Lookups that both refuse. Callers without types could make them. */
const wrong: Record<string, unknown> = {
  'no bags at all': null,
  'bags of another kind': 7,
  'an undefined feature': { sum: undefined },
  'a feature of text': { sum: 'keys' },
  'an unknown table': { sum: ok, nowhere: ok },
  'an unknown table by option': { sum: { ...ok, table: 'nowhere' } },
  'keys of another kind': { sum: { keys: 7, lengths: [1] } },
  'no offsets': { sum: { keys: [1] } },
  'offsets and lengths': { sum: { ...ok, offsets: [0] } },
  'offsets of text': { sum: { keys: [1], offsets: '0' } },
  'a negative key': { sum: { keys: [1, -1], lengths: [2] } },
  'half a key': { sum: { keys: [0.5], lengths: [1] } },
  'a key that is NaN': { sum: { keys: [1, 2, Number.NaN], lengths: [3] } },
  'a key of text': { sum: { keys: ['1'], lengths: [1] } },
  'a key past u32': { sum: { keys: [1, 2 ** 32], lengths: [2] } },
  'a negative key of 64 bits': { skip: { keys: BigInt64Array.of(1n, -1n), lengths: [2] } },
  'a key past u32, of 64 bits': { skip: { keys: wide(1n, 2n ** 40n, 2n ** 41n), lengths: [3] } },
  'a key without a row': { sum: { keys: [99, 100], lengths: [2] } },
  'a key without a row, u32': { sum: { keys: Uint32Array.of(5, 4, 4_000_000_000, 100), lengths: [4] } },
  'a key without a row, of 64 bits': { mean: { keys: wide(3n, 99n, 100n, 2n ** 33n), lengths: [4] } },
  'a key without a row in the second feature': { sum: ok, none: { keys: [0, 100], offsets: [0] } },
  'keys without a row in two features': {
    max: { keys: [1, 100], lengths: [2] },
    sum: { keys: [100], lengths: [1] },
  },
  'an id without a row': { ids: { keys: wide(0n, ids[5], 77n), lengths: [3] } },
  'ids without a row on every node': {
    ids: {
      keys: wide(...ids.slice(0, 40), ...Array.from({ length: 60 }, (_, i) => BigInt(i + 1))),
      lengths: [100],
    },
  },
  'ids without a row in two features': {
    first: { table: 'ids', keys: wide(...ids, 12n, 13n, 14n, 15n, 16n, 17n), lengths: [106] },
    second: { table: 'ids', keys: [1, 2, 3, 4, 5, 6], lengths: [6] },
  },
  'the same id without a row several times': {
    ids: { keys: wide(ids[1], ids[1], 7n, ids[2], 7n, 7n), lengths: [2, 2, 2] },
  },
  'a number that is not exactly an id': { ids: { keys: [2 ** 53], lengths: [1] } },
  'a negative id': { ids: { keys: [0, -5], lengths: [2] } },
  'offsets that decrease': { sum: { keys: [1, 2, 3], offsets: [0, 2, 1] } },
  'offsets that begin later': { sum: { keys: [1, 2, 3], offsets: [1, 2] } },
  'offsets past the keys': { sum: { keys: [1, 2, 3], offsets: [0, 4] } },
  'half an offset': { sum: { keys: [1, 2, 3], offsets: [0, 0.5] } },
  'no last offset': { sum: { keys: [], offsets: [], includeLastOffset: true } },
  'lengths that sum to less': { sum: { keys: [1, 2, 3], lengths: [1, 1] } },
  'lengths that sum to more': { sum: { keys: [1, 2, 3], lengths: [1, 3] } },
  'weights for max': { max: { ...ok, weights: [1, 1, 1] } },
  'weights for mode none': { none: { ...ok, weights: [1, 1, 1] } },
  'fewer weights than keys': { sum: { ...ok, weights: [1, 1] } },
  'more weights than keys': { sum: { ...ok, weights: Float32Array.of(1, 1, 1, 1) } },
  'weights of text': { sum: { ...ok, weights: [1, '1', 1] } },
  'a key without a row, then an unknown table': { sum: { keys: [100], lengths: [1] }, nowhere: ok },
  'a key without a row, then bad offsets': {
    sum: { keys: [100], lengths: [1] },
    max: { keys: [1], offsets: [2] },
  },
  'a key without a row, then weights for max': {
    sum: { keys: [100], lengths: [1] },
    max: { ...ok, weights: [1, 1, 1] },
  },
  'weights for max, then bad offsets': {
    max: { ...ok, weights: [1, 1, 1] },
    sum: { keys: [1], offsets: [2] },
  },
};

/** The fields of an error that a program can read. */
async function told(work: () => Promise<unknown>): Promise<object> {
  const error = await (async () => work())().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FlexemrError);
  const { code, field, position, value, message } = error as FlexemrError;
  return { code, field, position, value, message };
}

const plans = [
  ['table', 1],
  ['table', 3],
  ['row', 3],
  ['row', 7],
] as const;

describe.for(plans)('split by %s over %i nodes', ([split, nodes]) => {
  let cluster: Cluster;
  let local: Tables;
  let rankers: readonly Ranker[];
  beforeAll(async () => {
    cluster = await Cluster.start({ tables, nodes, split, ports: false });
    local = await cluster.tables();
    const ways = ['always', 'never', 'auto'] as const;
    rankers = await Promise.all(ways.map((pushDown) => cluster.ranker({ transport: 'loopback', pushDown })));
  });
  afterAll(async () => {
    await Promise.all(rankers.map((ranker) => ranker.close()));
    await local.close();
    await cluster[Symbol.asyncDispose]();
  });

  test.for(Object.entries(wrong))('%s', async ([, bags]) => {
    const wanted = await told(() => local.lookup(bags as KeyedBags));
    for (const ranker of rankers) {
      expect(await told(() => ranker.lookup(bags as KeyedBags))).toEqual(wanted);
      // The ranker still works after the error.
      await ranker.lookup({ sum: ok });
    }
  });

  test.for([
    ['another policy', 'maybe', 'INVALID_OPTION', 'onMissing'],
    ['the default row of a table without one', 'default', 'INVALID_OPTION', 'onMissing'],
  ])('onMissing: %s', async ([, onMissing, code, field]) => {
    for (const ranker of rankers)
      expect(await told(() => ranker.lookup({ sum: ok }, { onMissing: onMissing as never }))).toMatchObject({
        code,
        field,
        value: onMissing,
      });
  });

  test('onMissing replaces the policy of the table for keys without a row', async () => {
    const bags = { sum: { keys: [1, 100, 2], lengths: [2, 1] }, ids: { keys: [0, 5], lengths: [2] } };
    const skipping = { skip: { keys: [1, 100, 2], lengths: [2, 1] } };
    for (const ranker of rankers) {
      const skipped = await ranker.lookup(bags, { onMissing: 'skip' });
      expect(skipped.get('sum')).toMatchObject({ missing: Uint32Array.of(1), counts: Uint32Array.of(1, 1) });
      expect(skipped.get('ids')).toMatchObject({ missing: Uint32Array.of(1), counts: Uint32Array.of(1) });
      const error = await told(() => ranker.lookup(skipping, { onMissing: 'error' }));
      expect(error).toMatchObject({ code: 'INVALID_KEY', field: 'skip.keys', position: 1, value: 100 });
    }
  });

  test.for([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '50', null])(
    'a deadline of %s',
    async (given) => {
      const deadline = given as number;
      for (const ranker of rankers)
        expect(await told(() => ranker.lookup({ sum: ok }, { deadline }))).toMatchObject({
          code: 'INVALID_OPTION',
          field: 'deadline',
          value: given,
        });
    },
  );
});

test('unknown options', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  const onFailure = 'ignore' as never;
  expect(await told(() => ranker.lookup({ sum: ok }, { onFailure }))).toMatchObject({
    ...{ code: 'INVALID_OPTION', field: 'onFailure', value: 'ignore' },
  });
  const pushDown = 'sometimes' as never;
  expect(await told(() => cluster.ranker({ transport: 'loopback', pushDown }))).toMatchObject({
    ...{ code: 'INVALID_OPTION', field: 'pushDown', value: 'sometimes' },
  });
  expect(await told(() => cluster.ranker({ transport: 'pigeon' as never }))).toMatchObject({
    ...{ code: 'INVALID_OPTION', field: 'transport', value: 'pigeon' },
  });
});

test('a closed ranker refuses lookups', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  const ranker = await cluster.ranker({ transport: 'loopback' });
  await ranker.lookup({ sum: ok });
  await ranker.close();
  expect(await told(() => ranker.lookup({ sum: ok }))).toMatchObject({ code: 'RELEASED', field: 'ranker' });
  await ranker.close();
});

test('an empty lookup gives an empty result', async () => {
  await using cluster = await Cluster.start({ tables, nodes: 3, split: 'row', ports: false });
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  expect([...(await ranker.lookup({}))]).toEqual([]);
  const none = await ranker.lookup({ sum: { keys: [], lengths: [0, 0] }, none: { keys: [], offsets: [] } });
  expect([...(none.get('sum')?.values ?? [])]).toEqual(new Array(8).fill(0));
  expect(none.get('none')?.values.length).toBe(0);
  expect([...none.keys()]).toEqual(['sum', 'none']);
});
