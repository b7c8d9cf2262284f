// Compares lookups in JSON with lookups in the same tables in one process.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError, type Tables } from '../../src/index.ts';
import { jsonResultBytesMax } from '../../src/limits.ts';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { openLocally } from '../tables-file.ts';
import { askAll, type JsonFeature, merge } from './json-answers.ts';
import { bagsOf, inProcess } from './json-bags.ts';
import { inFour, wholeNumbers } from './whole-numbers.ts';

let split: Cluster;
let whole: Cluster;
/** The tables in this process, by the policy for missing keys. */
let local: ReadonlyMap<string | undefined, Tables>;
beforeAll(async () => {
  [split, whole] = await Promise.all([
    Cluster.start({ tables: wholeNumbers, nodes: 3, split: inFour }),
    Cluster.start({ tables: wholeNumbers, nodes: 1 }),
  ]);
  const policies = [undefined, 'skip', 'error'] as const;
  const opened = policies.map(async (missing) => {
    const given = wholeNumbers.map((table) => ({
      ...table,
      spec: { ...table.spec, ...(missing && { missing }) },
    }));
    return [missing, await openLocally(whole.file, given)] as const;
  });
  local = new Map(await Promise.all(opened));
});
afterAll(async () => {
  for (const tables of local?.values() ?? []) await tables.close();
  await Promise.all([split, whole].map((cluster) => cluster?.[Symbol.asyncDispose]()));
});

/** −0 is 0 in JSON. */
function withoutMinusZero(values: Float32Array): number[] {
  return Array.from(values, (value) => value + 0);
}

test('the merged JSON answers of the nodes equal the result of one process', async () => {
  const feature = fc.constantFrom(...wholeNumbers).chain(bagsOf);
  const lookup = fc.dictionary(fc.constantFrom('a', 'b', 'constructor', '__proto__'), feature);
  let [answered, refused] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      lookup,
      fc.constantFrom(undefined, 'skip', 'error'),
      fc.boolean(),
      async (bags, onMissing, inParts) => {
        const entries = Object.entries(bags);
        const own = entries.map(([name, bags]) => {
          const given = wholeNumbers.find(({ spec }) => spec.name === bags.table);
          return [name, inProcess(bags, given?.ids !== undefined)] as const;
        });
        const one = await local
          .get(onMissing)
          ?.lookup(Object.fromEntries(own))
          .catch((error: FlexemrError) => error);
        const all = await askAll(inParts ? split : whole, bags, onMissing).catch(
          (error: FlexemrError) => error,
        );
        if (one instanceof FlexemrError) {
          refused++;
          expect(all).toBeInstanceOf(FlexemrError);
          const { code, field, position, value } = all as FlexemrError;
          // Features are looked up together, so any of several bad features may be named first.
          expect(code).toBe(one.code);
          if (entries.length === 1)
            expect([field, position, String(value)]).toEqual([one.field, one.position, String(one.value)]);
          return;
        }
        if (all instanceof Error) throw all;
        answered++;
        for (const [name, { table, weights }] of entries) {
          const { mode } = wholeNumbers.find(({ spec }) => spec.name === table)?.spec ?? { mode: 'sum' };
          const pooled = one?.get(name);
          const merged = merge(mode, weights !== undefined, all.get(name) ?? []);
          if (pooled === undefined) throw new Error(`no result for ${name}`);
          // If no shard has a key, no answer tells the number of bags.
          if (merged.counts?.length === 0) expect(pooled.counts.every((count) => count === 0)).toBe(true);
          else {
            expect(merged.counts).toEqual(pooled.counts);
            expect(withoutMinusZero(merged.values ?? new Float32Array())).toEqual(
              withoutMinusZero(pooled.values),
            );
          }
          const { missing, padded, defaulted } = pooled;
          expect(merged).toMatchObject({ missing, padded, defaulted });
        }
      },
    ),
    { numRuns: runs.jsonLookups },
  );
  expect(answered).toBeGreaterThan(runs.jsonLookups / 4);
  expect(refused).toBeGreaterThan(runs.jsonLookups / 20);
});

describe('the only node of a cluster', () => {
  const ask = async (body: unknown): Promise<Record<string, JsonFeature>> => {
    const [handler] = whole.handlers.values();
    const answer = await handler.lookupJson(JSON.parse(JSON.stringify(body)));
    return (JSON.parse(JSON.stringify(answer)) as { features: Record<string, JsonFeature> }).features;
  };
  const refusal = async (body: unknown): Promise<object> => {
    const error = await ask(body).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FlexemrError);
    return { ...(error as FlexemrError) };
  };

  test('answers every bag of whole tables, divided by its denominator', async () => {
    const { f } = await ask({
      bags: { f: { table: 'sqrtn', keys: [1, 1], lengths: [0, 2, 0], weights: [3, 4] } },
    });
    const [, row] = [0, wholeNumbers[2].rows.subarray(3, 6)];
    expect(f).toEqual({
      dim: 3,
      shards: [
        {
          shard: 2,
          begin: 0,
          end: 40,
          partial: false,
          bags: [[0, 0, 0], Array.from(row, (value) => Math.fround((value * 7) / 5)), [0, 0, 0]],
          counts: [0, 2, 0],
        },
      ],
      missing: [],
      padded: [],
      defaulted: [],
    });
  });

  test('answers lookups without features, and features without bags', async () => {
    expect(await ask({ bags: {} })).toEqual({});
    const { sum, none } = await ask({
      bags: { sum: { keys: [], offsets: [] }, none: { keys: [], lengths: [] } },
    });
    expect(sum.shards).toMatchObject([{ bags: [], counts: [] }]);
    expect(none.shards).toMatchObject([{ values: [], counts: [] }]);
  });

  test.for<[string, unknown, object]>([
    ['nothing', null, { code: 'INVALID_BAGS', field: 'body' }],
    ['text', 'bags', { code: 'INVALID_BAGS', field: 'body' }],
    ['no bags', {}, { code: 'INVALID_BAGS', field: 'bags' }],
    ['bags that are an array', { bags: [] }, { code: 'INVALID_BAGS', field: 'bags' }],
    ['an unknown field', { bags: {}, deadline: 1 }, { code: 'INVALID_BAGS', field: 'deadline' }],
    ['an unknown policy', { bags: {}, onMissing: 'ignore' }, { code: 'INVALID_OPTION', field: 'onMissing' }],
    ['bags that are null', { bags: { sum: null } }, { code: 'INVALID_BAGS', field: 'sum' }],
    [
      'a misspelt field',
      { bags: { sum: { keys: [1], length: [1] } } },
      { code: 'INVALID_BAGS', field: 'sum.length' },
    ],
    ['no keys', { bags: { sum: { lengths: [] } } }, { code: 'INVALID_BAGS', field: 'sum.keys' }],
    ['no bags of keys', { bags: { sum: { keys: [1] } } }, { code: 'INVALID_BAGS', field: 'sum.offsets' }],
    [
      'an unknown table',
      { bags: { f: { table: 'nowhere', keys: [], offsets: [] } } },
      { code: 'UNKNOWN_TABLE', field: 'f', value: 'nowhere' },
    ],
    [
      'a table name that is not text',
      { bags: { f: { table: 3, keys: [] } } },
      { code: 'INVALID_BAGS', field: 'f.table' },
    ],
    [
      'half a row',
      { bags: { sum: { keys: [1, 0.5], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'sum.keys', position: 1, value: 0.5 },
    ],
    [
      'a row that is text',
      { bags: { sum: { keys: ['1', 'one'], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'sum.keys', position: 1, value: 'one' },
    ],
    [
      'a row that is null',
      { bags: { sum: { keys: [null], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'sum.keys', position: 0, value: null },
    ],
    [
      'a row past the end',
      { bags: { sum: { keys: [5, 1, 40], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'sum.keys', position: 2, value: 40 },
    ],
    [
      'an id that a number cannot represent',
      { bags: { idSum: { keys: [2 ** 53], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'idSum.keys', position: 0 },
    ],
    [
      'an id of more than 64 bits',
      { bags: { idSum: { keys: [String(2n ** 64n)], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'idSum.keys', position: 0, value: String(2n ** 64n) },
    ],
    [
      'an unknown id',
      { bags: { idSum: { keys: ['77', '-1'], offsets: [0] } } },
      { code: 'INVALID_KEY', field: 'idSum.keys', position: 1, value: 2n ** 64n - 1n },
    ],
    [
      'offsets past the keys',
      { bags: { sum: { keys: [1], offsets: [0, 2] } } },
      { code: 'INVALID_OFFSETS', field: 'sum.offsets', position: 1, value: 2 },
    ],
    [
      'a weight too few',
      { bags: { sum: { keys: [1, 2], offsets: [0], weights: [1] } } },
      { code: 'INVALID_WEIGHTS', field: 'sum.weights', position: 1 },
    ],
    [
      'a weight that is text',
      { bags: { sum: { keys: [1], offsets: [0], weights: ['nan'] } } },
      { code: 'INVALID_WEIGHTS', field: 'sum.weights', position: 0, value: 'nan' },
    ],
    [
      'weights of a maximum',
      { bags: { max: { keys: [1], offsets: [0], weights: [1] } } },
      { code: 'INVALID_WEIGHTS', field: 'max.weights' },
    ],
    [
      'a default row that the table does not have',
      { bags: { sum: { keys: [1], offsets: [0] } }, onMissing: 'default' },
      { code: 'INVALID_OPTION', field: 'onMissing' },
    ],
    [
      'more bytes than the limit for JSON',
      { bags: { sum: { keys: [], lengths: new Array(Math.ceil(jsonResultBytesMax / 12) + 1).fill(0) } } },
      { code: 'LIMIT_EXCEEDED', field: 'bags' },
    ],
  ])('refuses %s', async ([, body, wanted]) => {
    expect(await refusal(body)).toMatchObject(wanted);
  });

  test('gives and takes values without a JSON number as text', async () => {
    const own = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-45];
    const spec = { name: 'odd', rows: 2, dim: 5, mode: 'sum' } as const;
    const rows = Float32Array.of(...own, 1, 1, 1, 1, 1);
    await using odd = await Cluster.start({ tables: [{ spec, rows }], nodes: 1 });
    const [handler] = odd.handlers.values();
    const one = (keys: number[], weights?: string[]): Promise<unknown> =>
      handler.lookupJson({ bags: { odd: { keys, offsets: [0], weights } } });
    const valuesOf = (bag: unknown[]): object => ({ features: { odd: { shards: [{ bags: [bag] }] } } });
    expect(await one([0])).toMatchObject(
      valuesOf(['NaN', 'Infinity', '-Infinity', 0, 1.401298464324817e-45]),
    );
    expect(await one([1], ['-Infinity'])).toMatchObject(valuesOf(new Array(5).fill('-Infinity')));
    expect(await one([1], ['NaN'])).toMatchObject(valuesOf(new Array(5).fill('NaN')));
  });

  test('frees every slot, also if a lookup fails', async () => {
    const [handler] = whole.handlers.values();
    const { held } = (handler as MemoryNode).stats;
    expect(held).toBe(0);
  });
});

test('a node answers only its own keys', async () => {
  const { nodes, tables: planned } = split.routing;
  const table = planned.find(({ spec }) => spec.name === 'mean');
  const all = Array.from({ length: 40 }, (_, row) => row);
  for (const [url, handler] of split.handlers) {
    const id = nodes.find((node) => node.url === url)?.id;
    const asked = { bags: { mean: { keys: all, lengths: [20, 20], weights: all } } };
    const answer = (await handler.lookupJson(asked)) as { features: { mean: JsonFeature } };
    const own = table?.shards.flatMap(({ node, begin, end }) => (node === id ? [{ begin, end }] : []));
    const counts = own?.map(({ begin, end }) => {
      // The last row is padding.
      const rows = all.slice(begin, end).filter((row) => row !== 39);
      return {
        begin,
        end,
        partial: true,
        counts: [true, false].map((low) => rows.filter((row) => row < 20 === low).length),
      };
    });
    const { shards } = answer.features.mean;
    expect(
      shards.map(({ begin, end, partial, counts: held }) => ({ begin, end, partial, counts: held })),
    ).toEqual(counts);
    expect(shards.every(({ denominators }) => denominators?.length === 2)).toBe(true);
  }
});
