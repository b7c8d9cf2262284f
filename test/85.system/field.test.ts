// Inputs of users of comparable systems with their right answers: in one process, and over two memory nodes by stream
// and HTTP. First inputs that other systems get wrong, then others.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type KeyedBags,
  keyedJagged,
  type Lookup,
  type LookupOptions,
  type Tables,
} from '../../src/index.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { Cluster } from '../cluster.ts';
import type { GivenTable } from '../tables-file.ts';

const [rows, dim] = [6, 2];
/** Row r is [r, −r]. */
const whole = Float32Array.from({ length: rows * dim }, (_, i) => (i % 2 === 0 ? 1 : -1) * Math.floor(i / 2));
const modes = ['sum', 'mean', 'sqrtn', 'max', 'none'] as const;
const given: GivenTable[] = [
  ...modes.flatMap((mode) =>
    dtypes.map((dtype) => ({ spec: { name: `${mode} ${dtype}`, rows, dim, mode, dtype }, rows: whole })),
  ),
  { spec: { name: '__proto__', rows, dim, mode: 'sum' }, rows: whole },
  { spec: { name: 'constructor', rows, dim, mode: 'sum' }, rows: whole },
];

type Ways = 'one process' | 'stream' | 'http';
let cluster: Cluster;
let local: Tables;
const rankers = new Map<Ways, Ranker>();

beforeAll(async () => {
  // Each table is cut in two, so that answers must also be right across the cut.
  cluster = await Cluster.start({ tables: given, nodes: 2, split: 'row' });
  local = await cluster.tables();
  for (const transport of ['stream', 'http'] as const)
    rankers.set(transport, await cluster.ranker({ transport }));
});
afterAll(async () => {
  for (const ranker of rankers.values()) await ranker.close();
  await local?.close();
  await cluster?.[Symbol.asyncDispose]();
});

describe.for<Ways>(['one process', 'stream', 'http'])('%s', (way) => {
  const lookup = (bags: KeyedBags, options?: LookupOptions): Promise<Lookup> =>
    rankers.get(way)?.lookup(bags, options) ?? local.lookup(bags);
  const values = async (bags: KeyedBags): Promise<Record<string, number[]>> => {
    const found = await lookup(bags);
    return Object.fromEntries([...found].map(([name, pooled]) => [name, [...pooled.values]]));
  };

  test('keys that are in no bag are refused, and the error names the offset', async () => {
    const bags = { keys: [0, 0, 1, 2, 0], offsets: [0, 3, 4], includeLastOffset: true };
    await expect(lookup({ 'sum f32': bags })).rejects.toMatchObject({
      code: 'INVALID_OFFSETS',
      field: 'sum f32.offsets',
      position: 2,
      value: 4,
    });
    await expect(lookup({ 'sum f32': { keys: [1, 2], lengths: [1] } })).rejects.toMatchObject({
      code: 'INVALID_OFFSETS',
    });
  });

  test('a jagged tensor with lengths and offsets, like in TorchRec', async () => {
    const tensor = { keys: ['sum f32', 'max f32'], values: Uint32Array.of(1, 2, 3), lengths: [1, 1, 1, 0] };
    expect(await values(keyedJagged({ ...tensor, offsets: [0, 1, 2, 3, 3] }))).toEqual({
      'sum f32': [1, -1, 2, -2],
      'max f32': [3, -3, 0, 0],
    });
    expect(() => keyedJagged({ ...tensor, offsets: [0, 1, 2, 2, 3] })).toThrow(
      expect.objectContaining({ code: 'INVALID_OFFSETS', position: 3 }),
    );
  });

  test('a different batch for each feature', async () => {
    const jagged = keyedJagged({
      ...{ keys: ['sum f32', 'mean f32'], values: Uint32Array.of(1, 2, 3, 1, 2, 3, 4) },
      ...{ lengths: [1, 1, 1, 1, 1, 1, 1, 0], strides: [3, 5] },
    });
    expect(await values(jagged)).toEqual({
      'sum f32': [1, -1, 2, -2, 3, -3],
      'mean f32': [1, -1, 2, -2, 3, -3, 4, -4, 0, 0],
    });
  });

  test('empty bags in the middle and at the end, in every mode and dtype', async () => {
    const bags = { keys: [2, 3], offsets: [0, 0, 2, 2, 2], includeLastOffset: true };
    const names = given.slice(0, modes.length * dtypes.length).map(({ spec: { name } }) => name);
    const found = await lookup(Object.fromEntries(names.map((name) => [name, bags])));
    for (const name of names) {
      const [mode] = name.split(' ');
      const pooled = found.get(name);
      expect([...(pooled?.counts ?? [])], name).toEqual(mode === 'none' ? [1, 1] : [0, 2, 0, 0]);
      const sum = { sum: 5, mean: 2.5, sqrtn: Math.fround(5 / Math.fround(Math.SQRT2)), max: 3 }[mode];
      if (sum === undefined) continue;
      const [zero, first] = [pooled?.values.subarray(0, 2), pooled?.values[2]];
      expect([...(zero ?? [])], name).toEqual([0, 0]);
      expect(first, name).toBeCloseTo(sum, 1);
      expect([...(pooled?.values.subarray(4) ?? [])], name).toEqual([0, 0, 0, 0]);
    }
  });

  test('the keys −1 and `rows` are refused, in every mode and dtype', async () => {
    for (const { spec } of given) {
      for (const key of [-1, rows]) {
        const asked = lookup(Object.fromEntries([[spec.name, { keys: [0, key], offsets: [0] }]]));
        await expect(asked, spec.name).rejects.toMatchObject({
          code: 'INVALID_KEY',
          position: 1,
          value: key,
        });
      }
    }
  });

  test('one table for several features, in any order, and features named like properties of every object', async () => {
    const bags: KeyedBags = Object.assign(Object.create(null), {
      late: { table: 'sum f32', keys: [5], offsets: [0] },
      early: { table: 'sum f32', keys: [4], offsets: [0] },
      constructor: { keys: [2], offsets: [0] },
    });
    Object.defineProperty(bags, '__proto__', { value: { keys: [1], offsets: [0] }, enumerable: true });
    const found = await lookup(bags);
    expect([...found].map(([name, pooled]) => [name, pooled.values[0]]).sort()).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
      ['early', 4],
      ['late', 5],
    ]);
  });

  test('weights can be NaN or infinite', async () => {
    const weights = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect(await values({ 'sum f32': { keys: [1, 2, 3], offsets: [0, 1, 2], weights } })).toEqual({
      'sum f32': [
        ...[Number.NaN, Number.NaN],
        ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
        ...[Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      ],
    });
  });

  test('no features, no bags, no keys', async () => {
    expect((await lookup({})).size).toBe(0);
    expect(await values({ 'sum f32': { keys: [], offsets: [] } })).toEqual({ 'sum f32': [] });
    expect(await values({ 'max int8': { keys: [], offsets: [0, 0] } })).toEqual({ 'max int8': [0, 0, 0, 0] });
  });

  test('a bag of a million keys', async () => {
    const keys = new Uint32Array(1_000_000).fill(1);
    expect(await values({ 'sum f32': { keys, offsets: [0] } })).toEqual({ 'sum f32': [1e6, -1e6] });
  });
});

test('thousands of lookups, some of which are cancelled or too late, do not affect the others', async () => {
  const ranker = rankers.get('stream');
  if (ranker === undefined) return expect.fail('no ranker');
  const asked = Array.from({ length: 2_000 }, async (_, i) => {
    const controller = new AbortController();
    if (i % 5 === 0) setTimeout(() => controller.abort(), i % 7);
    const options = { signal: controller.signal, deadline: i % 11 === 0 ? 0.01 : 60_000 };
    const bags = { 'sum f32': { keys: [i % rows], offsets: [0] } };
    return await ranker.lookup(bags, options).then(
      (found) => found.get('sum f32')?.values[0] === i % rows,
      ({ code }) => ['CANCELLED', 'DEADLINE_EXCEEDED'].includes(code) && (i % 5 === 0 || i % 11 === 0),
    );
  });
  expect((await Promise.all(asked)).every(Boolean)).toBe(true);
});
