import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Core } from '../../src/component/core.ts';
import { FlexemrError, openComponent, type Pooled } from '../../src/component.ts';
import { BAD_KEY, DONE, NONE } from '../../src/kernel/layout.ts';
import * as reference from '../../src/kernel/reference.ts';
import { componentBytesMax, componentIndexIdsMax } from '../../src/limits.ts';
import { cores } from '../../src/modules/component/file.ts';
import { PoolInput, runReference } from '../10.kernel/pool-case.ts';
import { poolCases } from '../10.kernel/pool-cases.ts';
import { runs } from '../runs.ts';
import { poolByComponent } from './pool-by-component.ts';

const component = openComponent();

/** Code and message of the error that `work` throws. */
function errorOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof FlexemrError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'none';
}

test('pool and merge give the bits of the reference', () => {
  // The keys of a component are u32, and a component has no default rows.
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
      expect(errorOf(() => poolByComponent(component, input))).toMatch(/^INVALID_KEY /);
    }
    seen[status === DONE ? 'pooled' : 'refused']++;
    if (of.cuts.length > 0) seen.merged++;
  });
  fc.assert(property, { numRuns: runs.poolCases });
  expect(Math.min(seen.pooled, seen.refused, seen.merged)).toBeGreaterThan(0);
});

test('a bag that is merged from no rows has weight 0, whatever bytes were in memory before', () => {
  using table = component.table({ dtype: 'f32', dim: 1, rows: Float32Array.of(1) });
  for (const bags of [1, 2, 10, 100, 1_000]) {
    const offsets = new Uint32Array(bags + 1).fill(1).fill(0, 0, 1);
    const once = { keys: Uint32Array.of(0), offsets, weights: Float32Array.of(2) };
    const partial = table.pool(once, { mode: 'mean', partial: true });
    component.deduplicate(new BigUint64Array(bags).fill(2n ** 64n - 1n));
    const { denominators } = component.merge('mean', 1, [partial, partial]);
    const sums = new Float32Array(bags);
    sums[0] = 4;
    expect(denominators).toEqual(sums);
  }
});

test('gather gives the decoded rows', () => {
  const rows = Float32Array.from({ length: 12 }, (_, i) => i / 3);
  using table = component.table({ dtype: 'f32', dim: 3, rows });
  const keys = Uint32Array.of(3, 0, 0);
  expect(table.gather(keys)).toEqual(
    Float32Array.from([...keys].flatMap((key) => [...rows.subarray(key * 3, key * 3 + 3)])),
  );
});

test('pooling rows that are passed with the call gives the same as pooling a table', () => {
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

test('weighted means of shards equal those of one table, because partials have denominators', () => {
  using whole = component.table({ dtype: 'f32', dim: 1, rows: Float32Array.of(1, 2, 30) });
  const offsets = Uint32Array.of(0, 3);
  const bags = { keys: Uint32Array.of(0, 1, 2), offsets, weights: Float32Array.of(1, 2, 3) };
  for (const mode of ['mean', 'sqrtn'] as const) {
    const partial = whole.pool(bags, { mode, partial: true });
    expect(component.merge(mode, 1, [partial]).values).toEqual(whole.pool(bags, { mode }).values);
  }
});

test('errors name their cause, and change nothing', () => {
  const rows = Float32Array.of(1, 2, 3, 4);
  using table = component.table({ dtype: 'f32', dim: 2, rows });
  using index = component.keyIndex(2);
  index.insert(BigUint64Array.of(7n), Uint32Array.of(1));
  const bags = { keys: Uint32Array.of(0, 1), offsets: Uint32Array.of(0, 1, 2) };
  const sum = { mode: 'sum' } as const;
  const weighted = { ...bags, weights: Float32Array.of(1, 1) };
  const mean = { mode: 'mean', partial: true } as const;
  const partial = table.pool(bags, mean);
  const pool = (of: object, options: object = sum) => table.pool({ ...bags, ...of }, { ...sum, ...options });
  const create = (of: object) => component.table({ dtype: 'f32', dim: 2, rows, ...of });
  const wrong: readonly [said: RegExp, work: () => unknown][] = [
    [/^INVALID_KEY keys\[1\] = 2 is not a row/, () => pool({ keys: Uint32Array.of(0, 2) })],
    [/^INVALID_KEY keys\[0\] = 9 is not a row/, () => table.gather(Uint32Array.of(9))],
    [/^INVALID_OFFSETS offsets\[2\] = 1 /, () => pool({ offsets: Uint32Array.of(0, 2, 1, 2) })],
    [/^INVALID_OFFSETS offsets\[0\] = 1 /, () => pool({ offsets: Uint32Array.of(1, 2) })],
    [/^INVALID_OFFSETS offsets\[1\] = 1 .* 2$/, () => pool({ offsets: Uint32Array.of(0, 1) })],
    [/^INVALID_OFFSETS offsets\[0\] = nothing /, () => pool({ offsets: Uint32Array.of() })],
    [/^INVALID_WEIGHTS weights: there are 1 weights for 2 keys/, () => pool({ weights: Float32Array.of(1) })],
    [/^INVALID_WEIGHTS .* none for max/, () => pool(weighted, { mode: 'max' })],
    [/^INVALID_BAGS keys: .*Uint32Array, not a BigUint64Array/, () => pool({ keys: BigUint64Array.of(0n) })],
    [/^INVALID_BAGS keys: .*Uint32Array, not an array/, () => pool({ keys: [0, 1] })],
    [/^INVALID_BAGS keys: .*not a Float64Array/, () => table.gather(Float64Array.of(0) as never)],
    [/^INVALID_BAGS bags: /, () => table.pool(null as never, sum)],
    [/^INVALID_OFFSETS offsets: .*not an Int32Array/, () => pool({ offsets: Int32Array.of(0, 1, 2) })],
    [/^INVALID_WEIGHTS weights: .*not a Float64Array/, () => pool({ weights: Float64Array.of(1, 1) })],
    [/^INVALID_OPTION mode: .*sqrtn.*"median"/, () => pool({}, { mode: 'median' })],
    [/^INVALID_OPTION missing: .*skip.*"default"/, () => pool({}, { missing: 'default' })],
    [/^INVALID_OPTION options: /, () => table.pool(bags, undefined as never)],
    [/^INVALID_OPTION padding: .*-1/, () => pool({}, { padding: -1 })],
    [/^INVALID_OPTION padding: .*4294967295/, () => pool({}, { padding: 2 ** 32 - 1 })],
    [/^INVALID_TABLE rows: 16 bytes are not a whole number of rows of dim = 3/, () => create({ dim: 3 })],
    [/^INVALID_TABLE dim: .*1 to 4096, not 0/, () => create({ dim: 0 })],
    [/^INVALID_TABLE dim: .*1 to 4096, not 8192/, () => create({ dim: 8192, rows: new Float32Array(8192) })],
    [/^INVALID_TABLE dtype: .*int4.*"f64"/, () => create({ dtype: 'f64' })],
    [/^INVALID_TABLE rows: .*not a Float64Array/, () => create({ rows: Float64Array.of(1, 2) })],
    [/^INVALID_TABLE rows: .*int8 rows, not a Float32Array/, () => create({ dtype: 'int8' })],
    [/^INVALID_BAGS partials\[0\] is not a partial.*partial: true/, () => merge([table.pool(bags, sum)])],
    [/^INVALID_BAGS partials: number 1 /, () => merge([partial, table.pool(weighted, mean)])],
    [/^INVALID_BAGS partials: number 1 /, () => merge([table.pool(weighted, mean), partial])],
    [/^INVALID_BAGS partials: number 1 /, () => merge([partial, { ...partial, counts: Uint32Array.of(1) }])],
    [/^INVALID_BAGS partials\[0\]\.values: /, () => merge([{ ...partial, values: Float64Array.of(1) }])],
    [/^INVALID_OPTION capacity: .*40000000/, () => component.keyIndex(40_000_000)],
    [/^INVALID_OPTION capacity: .*NaN/, () => component.keyIndex(Number.NaN)],
    [/^INVALID_OPTION capacity: .*"12"/, () => component.keyIndex('12' as never)],
    [
      /^INVALID_OPTION keys: .*not a BigInt64Array/,
      () => component.deduplicate(BigInt64Array.of(1n) as never),
    ],
    [/^INVALID_OPTION slots: there are 1 slots for 2 ids/, () => insert([8n, 9n], [1])],
    [/^INVALID_OPTION slots\[1\] = 4294967295 means "none"/, () => insert([8n, 9n], [1, 2 ** 32 - 1])],
    [/^LIMIT_EXCEEDED ids: the index has space for 2 ids/, () => insert([8n, 7n, 9n], [5, 5, 5])],
    ...[Number.NaN, -1, 0, 1.5, '64MB', 2 ** 40].map((memoryBytes): [RegExp, () => unknown] => [
      /^INVALID_OPTION memoryBytes: expected an integer from 1 to /,
      () => openComponent({ memoryBytes: memoryBytes as number }),
    ]),
  ];
  const merge = (partials: readonly object[]) => component.merge('mean', 2, partials as Pooled[]);
  const insert = (ids: bigint[], slots: number[]) =>
    index.insert(BigUint64Array.from(ids), Uint32Array.from(slots));
  for (const [said, work] of wrong) expect(errorOf(work)).toMatch(said);
  expect(table.pool(bags, sum).values).toEqual(rows);
  expect(index.find(BigUint64Array.of(7n, 8n, 9n))).toEqual(Uint32Array.of(1, NONE, NONE));
});

test('an index takes as many new ids as its capacity, even if they are repeated', () => {
  using index = component.keyIndex(2);
  const ids = BigUint64Array.of(1n, 2n, 1n, 2n, 1n);
  index.insert(ids, Uint32Array.of(0, 1, 2, 3, 4));
  index.insert(ids, Uint32Array.of(5, 6, 7, 8, 9));
  expect(index.find(ids)).toEqual(Uint32Array.of(9, 8, 9, 8, 9));
  expect(errorOf(() => index.insert(BigUint64Array.of(1n, 3n), Uint32Array.of(0, 0)))).toMatch(/^LIMIT/);
  expect(index.find(ids)).toEqual(Uint32Array.of(9, 8, 9, 8, 9));
});

test('the component itself checks the arguments of hosts', () => {
  const { Table, KeyIndex, merge } = new Core(cores, 1).pooling;
  const rows = new Uint8Array(8);
  const bags = { keys: Uint32Array.of(0), offsets: Uint32Array.of(0, 1) };
  const options = { mode: 'mean', missing: 'error', partial: false } as const;
  const table = Table.create('f32', 1, rows);
  const index = KeyIndex.create(1);
  const partial = table.pool(bags, { ...options, partial: true });
  const wrong: readonly [code: string, position: number, work: () => unknown][] = [
    ['invalid-option', 0, () => table.pool(bags, { ...options, padding: NONE })],
    ['invalid-option', 1, () => index.insert(BigUint64Array.of(1n), Uint32Array.of(2, 3))],
    ['invalid-option', 0, () => index.insert(BigUint64Array.of(1n), Uint32Array.of(NONE))],
    ['limit-exceeded', 1, () => index.insert(BigUint64Array.of(1n, 2n), Uint32Array.of(2, 3))],
    ['limit-exceeded', 40_000_000, () => KeyIndex.create(40_000_000)],
    ['limit-exceeded', 16_384, () => Table.create('f32', 4_096, rows.subarray(8)).pool(million, options)],
    ['invalid-table', 0, () => Table.create('f32', 4_097, rows.subarray(8))],
    ['invalid-table', 0, () => Table.create('f32', 3, rows)],
    ['invalid-bags', 1, () => merge('mean', 1, [partial, table.pool(bags, options)])],
    ['invalid-bags', 0, () => merge('mean', 2, [partial])],
  ];
  const million = { keys: Uint32Array.of(), offsets: new Uint32Array(2 ** 20 + 1) };
  for (const [code, position, work] of wrong)
    expect(work).toThrow(expect.objectContaining({ code, position }));
});

test('a request that exceeds the memory is refused by name in advance, and nothing is lost', () => {
  const small = openComponent({ memoryBytes: 1_000_000 });
  const rows = new Float32Array(100_000);
  using table = small.table({ dtype: 'f32', dim: 1, rows });
  const many = new Uint32Array(150_000);
  const tooMuch: readonly [what: string, work: () => unknown][] = [
    ['table', () => small.table({ dtype: 'f32', dim: 1, rows: new Float32Array(200_000) })],
    ['index', () => small.keyIndex(50_000)],
    ['call', () => table.gather(many)],
    ['call', () => table.pool({ keys: many, offsets: Uint32Array.of(0, many.length) }, { mode: 'sum' })],
    ['call', () => small.deduplicate(new BigUint64Array(20_000))],
  ];
  for (const [what, work] of tooMuch)
    expect(errorOf(work)).toMatch(new RegExp(`^OUT_OF_MEMORY ${what}: .* memoryBytes = 1000000; `));
  using _fits = small.table({ dtype: 'f32', dim: 1, rows });
  expect(table.gather(Uint32Array.of(0))).toEqual(Float32Array.of(0));
});

test('a component can use all memory that is allowed', () => {
  const large = openComponent();
  const zeros = new Uint8Array(2 ** 29);
  // Uses half of the memory, and then pieces of the other half.
  const tables = [2 ** 29, 2 ** 28, 2 ** 27].map((bytes) =>
    large.table({ dtype: 'f32', dim: 4096, rows: zeros.subarray(0, bytes) }),
  );
  const [table] = tables;
  const most = componentBytesMax - 2 ** 29 - 2 ** 28 - 2 ** 27;
  const keys = Uint32Array.from({ length: Math.floor(most / (4096 * 4 + 9)) }, (_, i) => i);
  expect(table.gather(keys).length).toBe(keys.length * 4096);
  expect(errorOf(() => table.gather(new Uint32Array(keys.length + 1)))).toMatch(/^OUT_OF_MEMORY call/);
  for (const each of tables) each[Symbol.dispose]();
});

test('a component that runs out of memory cannot be used any more', () => {
  // No limit, so allocations fail in the component, as they can if its memory is fragmented.
  const core = new Core(cores, Number.POSITIVE_INFINITY);
  const large = () => core.keep(0, 'index', () => core.pooling.KeyIndex.create(componentIndexIdsMax));
  const [kept] = large();
  large();
  expect(errorOf(large)).toMatch(/^OUT_OF_MEMORY the component found no memory .* open another/);
  expect(errorOf(() => core.ask(0, () => kept.count()))).toMatch(
    /^OUT_OF_MEMORY the component found no memory/,
  );
});

test('a collected object gives its memory back, even if it was not disposed', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const small = openComponent({ memoryBytes: 1_000_000 });
  const rows = new Float32Array(150_000);
  const forget = (): void => {
    small.table({ dtype: 'f32', dim: 1, rows });
  };
  forget();
  await expect
    .poll(() => {
      collect();
      return errorOf(forget);
    })
    .toBe('none');
});

test('a disposed object cannot be used any more', () => {
  const table = component.table({ dtype: 'f32', dim: 1, rows: Float32Array.of(1) });
  const index = component.keyIndex(1);
  for (const each of [table, index, table, index]) each[Symbol.dispose]();
  expect(errorOf(() => table.gather(Uint32Array.of(0)))).toMatch(/^RELEASED /);
  expect(errorOf(() => index.size)).toMatch(/^RELEASED /);
});

test('tables, indexes and results give their memory back', () => {
  // Together they are larger than any component can be.
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
