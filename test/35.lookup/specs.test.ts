import { describe, expect, test } from 'vitest';
import { reference, type TableSpec, Tables } from '../../src/index.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import { dimMax, tableNameCharsMax, threadsMax } from '../../src/limits.ts';
import { refused } from '../refusal.ts';

const good: TableSpec = { name: 't', rows: 4, dim: 2, mode: 'sum' };
const rows = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);

type Fault = readonly [what: string, spec: Record<string, unknown>, field: string, value?: unknown];
const faults: Fault[] = [
  ['no rows', { rows: 0 }, 'rows', 0],
  ['a negative number of rows', { rows: -1 }, 'rows', -1],
  ['half a row', { rows: 1.5 }, 'rows', 1.5],
  ['more rows than u32 keys reach', { rows: 2 ** 32 - 1 }, 'rows', 2 ** 32 - 1],
  ['rows as text', { rows: '4' }, 'rows', '4'],
  ['no columns', { dim: 0 }, 'dim', 0],
  ['too many columns', { dim: dimMax + 1 }, 'dim', dimMax + 1],
  ['an unknown mode', { mode: 'median' }, 'mode', 'median'],
  ['no mode', { mode: undefined }, 'mode', undefined],
  ['an unknown dtype', { dtype: 'f64' }, 'dtype', 'f64'],
  ['no name', { name: '' }, 'name', ''],
  ['too long a name', { name: 'x'.repeat(tableNameCharsMax + 1) }, 'name', 'x'.repeat(tableNameCharsMax + 1)],
  ['a misspelt option', { paddding: 1 }, 'paddding', 'paddding'],
  ['a fractional padding', { padding: 0.5 }, 'padding', 0.5],
  ['padding past the end', { padding: 4 }, 'padding', 4],
  ['padding before the start', { padding: -5 }, 'padding', -5],
  ['padding of u64', { padding: 1n << 64n }, 'padding', 1n << 64n],
  ['an unknown policy', { missing: 'guess' }, 'missing', 'guess'],
  ['no default row', { missing: 'default' }, 'defaultRow'],
  ['a short default row', { missing: 'default', defaultRow: [1] }, 'defaultRow', 1],
  ['a long default row, though unused', { defaultRow: [1, 2, 3] }, 'defaultRow', 3],
  [
    'a default row with NaN',
    { missing: 'default', defaultRow: [1, Number.NaN] },
    'defaultRow[1]',
    Number.NaN,
  ],
];

describe('wrong specs', () => {
  test.for(faults)('%s', async ([, spec, field, value]) => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    const error = await refused(() => tables.add({ ...good, ...spec } as TableSpec, { rows }));
    expect({ ...error }).toMatchObject({ code: 'INVALID_TABLE', field, value });
    expect(tables.specs).toEqual([]);
    await tables.add(good, { rows });
    expect(tables.specs).toEqual([good]);
  });

  test('a name of the maximum length is accepted', async () => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    await tables.add({ ...good, name: 'x'.repeat(tableNameCharsMax) }, { rows });
    expect(tables.specs).toHaveLength(1);
  });

  test.for([null, undefined, 3, []])('%s', async (spec) => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    expect((await refused(() => tables.add(spec as never, { rows }))).code).toBe('INVALID_TABLE');
  });

  test('the error names a default row that its dtype cannot represent', async () => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    const spec: TableSpec = {
      ...good,
      dtype: 'int8',
      missing: 'default',
      defaultRow: [0, Number.POSITIVE_INFINITY],
    };
    const error = await refused(() => tables.add(spec, { rows }));
    expect({ ...error }).toMatchObject({ code: 'INVALID_TABLE', field: 'defaultRow' });
  });

  test('a name that another table has, until that table is removed', async () => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    await tables.add(good, { rows });
    const error = await refused(() => tables.add({ ...good, mode: 'max' }, { rows }));
    expect({ ...error }).toMatchObject({ code: 'INVALID_TABLE', field: 'name', value: 't' });
    expect(tables.specs).toEqual([good]);
    await tables.remove('t');
    await tables.add({ ...good, mode: 'max' }, { rows });
    expect(tables.specs).toEqual([{ ...good, mode: 'max' }]);
  });

  test('the removal of an unknown table', async () => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    expect((await refused(() => tables.remove('t'))).code).toBe('UNKNOWN_TABLE');
  });
});

describe('rows of another size than in the spec', () => {
  test.for(dtypes)('%s', async (dtype) => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    const packed = good.rows * reference.rowBytes(dtype, good.dim);
    const given = [7, 9].map((count) => new Float32Array(count));
    const bytes = [packed - 1, packed + 1].map((count) => new Uint8Array(count));
    for (const wrong of [...given, ...bytes]) {
      const error = await refused(() => tables.add({ ...good, dtype }, { rows: wrong }));
      const position = Math.min(wrong.length, wrong instanceof Float32Array ? 8 : packed);
      expect({ ...error }).toMatchObject({
        code: 'INVALID_TABLE',
        field: 'rows',
        position,
        value: wrong.length,
      });
    }
    await tables.add({ ...good, dtype }, { rows: new Uint8Array(packed) });
    await tables.remove('t');
    await tables.add({ ...good, dtype }, { rows });
  });
});

describe('options out of range', () => {
  test.for([
    ['threads', 0],
    ['threads', -1],
    ['threads', 1.5],
    ['threads', Number.NaN],
    ['threads', threadsMax + 1],
    ['slotBytes', 0],
    ['slotBytes', 65_535],
    ['slotBytes', 100_000.5],
    ['slotBytes', Number.NaN],
    ['slotBytes', 2 ** 32],
    ['shardBytes', 0],
    ['shardBytes', -1],
    ['shardBytes', 2 ** 32],
    ['shardBytes', Number.POSITIVE_INFINITY],
  ] as const)('%s = %s', async ([field, value]) => {
    const error = await refused(() => new Tables({ [field]: value }));
    expect({ ...error }).toMatchObject({ code: 'INVALID_OPTION', field, value });
  });
});

test('the error for a lookup larger than the slots says the bytes that it needs, which are enough', async () => {
  const keys = new Uint32Array(100_000);
  const open = async (slotBytes: number): Promise<Tables> => {
    const tables = new Tables({ slotBytes });
    await tables.add(good, { rows });
    return tables;
  };
  await using small = await open(2 ** 16);
  const error = await refused(() => small.lookup({ t: { keys, offsets: [0] } }));
  expect({ ...error }).toMatchObject({ code: 'OUT_OF_MEMORY', field: 'slotBytes' });
  expect(error.message).toContain(`${error.value} bytes`);
  await using large = await open(error.value as number);
  expect((await large.lookup({ t: { keys, offsets: [0] } })).get('t')?.counts).toEqual(
    Uint32Array.of(100_000),
  );
  expect((await small.lookup({ t: { keys: [0], offsets: [0] } })).get('t')?.counts).toEqual(
    Uint32Array.of(1),
  );
});

test('values that are not tables or bags are refused by name', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 20 });
  const spec = { name: 't', rows: 1, dim: 1, mode: 'sum' } as const;
  const one = Float32Array.of(1);
  const refusals: [Promise<unknown>, string, string][] = [
    [tables.add(null as never, { rows: one }), 'INVALID_TABLE', 'table'],
    [tables.add(spec, null as never), 'INVALID_TABLE', 'rows'],
    [tables.add(spec, { rows: [1] as never }), 'INVALID_TABLE', 'rows'],
    [tables.add(spec, { rows: one, ids: [1n] as never }), 'INVALID_TABLE', 'ids'],
    [tables.lookup(null as never), 'INVALID_BAGS', 'bags'],
    [tables.lookup({ f: { keys: [], offsets: [], table: Symbol('t') as never } }), 'UNKNOWN_TABLE', 'f'],
  ];
  for (const [promise, code, field] of refusals) {
    await expect(promise).rejects.toMatchObject({ name: 'FlexemrError', code, field });
  }
});
