import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlexemrError, openComponent } from '../../src/component.ts';
import { BAD_KEY, DONE } from '../../src/kernel/layout.ts';
import * as reference from '../../src/kernel/reference.ts';
import { PoolInput, runReference } from '../10.kernel/pool-case.ts';
import { poolCases } from '../10.kernel/pool-cases.ts';
import { runs } from '../runs.ts';
import { poolByComponent } from './pool-by-component.ts';

const component = openComponent();

/** The code of the error that `work` throws. */
function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof FlexemrError) return error.code;
    throw error;
  }
  return 'none';
}

test('pool and merge give the bits of the reference', () => {
  // Keys of a component are u32, and it has no default rows.
  const cases = poolCases
    .filter(({ missing }) => missing !== 'default')
    .map((of) => ({ ...of, keyBytes: 4 as const }));
  const seen = { pooled: 0, refused: 0, merged: 0 };
  const property = fc.property(cases, (of) => {
    const input = new PoolInput(of);
    const { status, ...expected } = runReference(input);
    if (status === DONE) expect(poolByComponent(component, input)).toEqual(expected);
    else {
      expect(status).toBe(BAD_KEY);
      expect(codeOf(() => poolByComponent(component, input))).toBe('INVALID_KEY');
    }
    seen[status === DONE ? 'pooled' : 'refused']++;
    if (of.cuts.length > 0) seen.merged++;
  });
  fc.assert(property, { numRuns: runs.poolCases });
  expect(Math.min(seen.pooled, seen.refused, seen.merged)).toBeGreaterThan(0);
});

test('what is merged of no rows has no weight, whatever lay in memory before', () => {
  using table = component.table({ dtype: 'f32', dim: 1, rows: Float32Array.of(1) });
  for (const bags of [1, 2, 10, 100, 1_000]) {
    const offsets = new Uint32Array(bags + 1).fill(1).fill(0, 0, 1);
    const once = { keys: Uint32Array.of(0), offsets, weights: Float32Array.of(2) };
    const partial = table.pool(once, { mode: 'mean', partial: true });
    component.deduplicate(new BigUint64Array(bags).fill(2n ** 64n - 1n));
    const { denominators } = component.merge('mean', 1, [partial, partial], true);
    const sums = new Float32Array(bags);
    sums[0] = 4;
    expect(denominators).toEqual(sums);
  }
});

test('gather gives rows as they are read', () => {
  const rows = Float32Array.from({ length: 12 }, (_, i) => i / 3);
  using table = component.table({ dtype: 'f32', dim: 3, rows });
  const keys = Uint32Array.of(3, 0, 0);
  expect(table.gather(keys)).toEqual(
    Float32Array.from([...keys].flatMap((key) => [...rows.subarray(key * 3, key * 3 + 3)])),
  );
  expect(codeOf(() => table.gather(Uint32Array.of(0, 4)))).toBe('INVALID_KEY');
});

test('rows that are brought along pool as a table does', () => {
  const rows = { dtype: 'f32', dim: 2, rows: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;
  const bags = {
    keys: Uint32Array.of(0, 2, 1),
    offsets: Uint32Array.of(0, 2, 3),
    weights: Float32Array.of(1, 2, 3),
  };
  using table = component.table(rows);
  for (const mode of ['sum', 'mean', 'sqrtn'] as const)
    expect(component.pool(rows, bags, { mode })).toEqual(table.pool(bags, { mode }));
});

test('deduplicate gives what the reference gives', () => {
  const keys = fc.array(
    fc.oneof(fc.bigInt({ min: 0n, max: 50n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    {
      maxLength: 3_000,
    },
  );
  fc.assert(
    fc.property(keys, (drawn) => {
      const all = BigUint64Array.from(drawn);
      expect(component.deduplicate(all)).toEqual(reference.deduplicate(all));
    }),
  );
});

test('an index holds what a map holds', () => {
  const id = fc.bigInt({ min: 0n, max: 200n });
  const step = fc.record({ ids: fc.uniqueArray(id, { maxLength: 40 }), remove: fc.boolean() });
  const history = fc.array(step, { maxLength: 20 });
  fc.assert(
    fc.property(history, (steps) => {
      using index = component.keyIndex(201);
      const map = new Map<bigint, number>();
      for (const [i, { ids, remove }] of steps.entries()) {
        const keys = BigUint64Array.from(ids);
        const held = Uint32Array.from(ids, (key) => map.get(key) ?? 0xffffffff);
        expect(index.find(keys)).toEqual(held);
        if (remove) {
          expect(index.remove(keys)).toEqual(held);
          for (const key of ids) map.delete(key);
        } else {
          index.insert(
            keys,
            Uint32Array.from(ids, (_, at) => i * 100 + at),
          );
          for (const [at, key] of ids.entries()) map.set(key, i * 100 + at);
        }
        expect(index.size).toBe(map.size);
      }
    }),
  );
});

test('what is wrong is said, and changes nothing', () => {
  const rows = Float32Array.of(1, 2, 3, 4);
  using table = component.table({ dtype: 'f32', dim: 2, rows });
  const bags = { keys: Uint32Array.of(0, 1), offsets: Uint32Array.of(0, 1, 2) };
  const sum = { mode: 'sum' } as const;
  const wrong: readonly [code: string, work: () => unknown][] = [
    ['INVALID_KEY', () => table.pool({ ...bags, keys: Uint32Array.of(0, 2) }, sum)],
    ['INVALID_OFFSETS', () => table.pool({ ...bags, offsets: Uint32Array.of(0, 2, 1, 2) }, sum)],
    ['INVALID_OFFSETS', () => table.pool({ ...bags, offsets: Uint32Array.of(1, 2) }, sum)],
    ['INVALID_OFFSETS', () => table.pool({ ...bags, offsets: Uint32Array.of(0, 1) }, sum)],
    ['INVALID_OFFSETS', () => table.pool({ ...bags, offsets: Uint32Array.of() }, sum)],
    ['INVALID_WEIGHTS', () => table.pool({ ...bags, weights: Float32Array.of(1) }, sum)],
    ['INVALID_WEIGHTS', () => table.pool({ ...bags, weights: Float32Array.of(1, 1) }, { mode: 'max' })],
    ['INVALID_OPTION', () => table.pool(bags, { mode: 'median' as 'sum' })],
    ['INVALID_TABLE', () => component.table({ dtype: 'f32', dim: 3, rows })],
    ['INVALID_TABLE', () => component.table({ dtype: 'f32', dim: 0, rows })],
    ['INVALID_TABLE', () => component.table({ dtype: 'f32', dim: 8192, rows: new Float32Array(8192) })],
    ['INVALID_TABLE', () => component.merge('sum', 2, [table.pool(bags, sum), table.pool(bags, sum)])],
    ['LIMIT_EXCEEDED', () => component.keyIndex(40_000_000)],
  ];
  for (const [code, work] of wrong) expect([code, codeOf(work)]).toEqual([code, code]);
  expect(table.pool(bags, sum).values).toEqual(rows);
});

test('a table that is too large is refused by name, and nothing is lost', () => {
  const small = openComponent({ memoryBytes: 1_000_000 });
  using _kept = small.table({ dtype: 'f32', dim: 100, rows: new Float32Array(100_000) });
  expect(codeOf(() => small.table({ dtype: 'f32', dim: 100, rows: new Float32Array(200_000) }))).toBe(
    'OUT_OF_MEMORY',
  );
  using _fits = small.table({ dtype: 'f32', dim: 100, rows: new Float32Array(100_000) });
});

test('what was disposed of is used no more', () => {
  const table = component.table({ dtype: 'f32', dim: 1, rows: Float32Array.of(1) });
  const index = component.keyIndex(1);
  for (const each of [table, index, table, index]) each[Symbol.dispose]();
  expect(codeOf(() => table.gather(Uint32Array.of(0)))).toBe('RELEASED');
  expect(codeOf(() => index.size)).toBe('RELEASED');
});

test('tables, indexes and results give their memory back', () => {
  // All of them together are larger than any component.
  const rows = new Float32Array(2 ** 18);
  const keys = Uint32Array.from({ length: 4_096 }, (_, i) => i);
  const bags = { keys, offsets: Uint32Array.from({ length: 4_097 }, (_, i) => i) };
  for (let i = 0; i < 1_500; i++) {
    using table = component.table({ dtype: 'f32', dim: 64, rows });
    using index = component.keyIndex(10_000);
    table.pool(bags, { mode: 'sum', partial: true });
    index.insert(BigUint64Array.of(1n), Uint32Array.of(2));
    component.deduplicate(BigUint64Array.of(1n, 1n));
  }
});
