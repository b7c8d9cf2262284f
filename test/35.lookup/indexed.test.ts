import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bags, FlexemrError, type Keys, type TableSpec, Tables } from '../../src/index.ts';
import { runs } from '../runs.ts';

const spec = { name: 'ids', dim: 1, mode: 'none' } as const;
const idMax = (1n << 64n) - 1n;

/** Opens an indexed table whose row r has the value r + 1, so that a missing key, which gives 0, differs. */
async function open(ids: BigUint64Array | BigInt64Array, more: Partial<TableSpec> = {}): Promise<Tables> {
  const tables = new Tables({ slotBytes: 2 ** 20 });
  const rows = Float32Array.from(ids, (_, row) => row + 1);
  await tables.add({ ...spec, rows: ids.length, ...more }, { rows, ids });
  return tables;
}

async function rowsOf(tables: Tables, keys: Keys): Promise<number[]> {
  const pooled = (await tables.lookup({ ids: { keys, offsets: [0] } })).get('ids');
  return [...(pooled?.values ?? [])];
}

const refused = async (work: () => Promise<unknown>): Promise<FlexemrError> => {
  const error = await work().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FlexemrError);
  return error as FlexemrError;
};

const id = fc.oneof(
  fc.bigInt({ min: 0n, max: 40n }),
  fc.constantFrom(0n, idMax, idMax - 1n, 1n << 63n, (1n << 63n) - 1n, 1n << 32n, 0xffffffffn, 0xfffffffen),
  fc.bigInt({ min: 0n, max: idMax }),
);

test('ids are found like in a Map, for all bit patterns and signs', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(id, { minLength: 1, maxLength: 300, size: 'max' }),
      fc.array(id, { maxLength: 100 }),
      fc.boolean(),
      async (ids, others, signed) => {
        const array = (signed ? BigInt64Array : BigUint64Array) as typeof BigUint64Array;
        await using tables = await open(array.from(ids), { missing: 'skip' });
        const model = new Map(ids.map((own, row) => [own, row + 1]));
        const asked = [...others, ...ids, ...others];
        const wanted = asked.map((own) => model.get(own) ?? 0);
        expect(await rowsOf(tables, BigUint64Array.from(asked))).toEqual(wanted);
        expect(await rowsOf(tables, BigInt64Array.from(asked))).toEqual(wanted);
        const small = asked.filter((own) => own <= BigInt(Number.MAX_SAFE_INTEGER));
        expect(await rowsOf(tables, small.map(Number))).toEqual(small.map((own) => model.get(own) ?? 0));
      },
    ),
    { numRuns: runs.indexedTables },
  );
});

test('more ids than one call of the index can take', async () => {
  const ids = BigUint64Array.from({ length: 150_001 }, (_, row) => BigInt(row) * 0x9e3779b97f4a7c15n);
  await using tables = await open(ids, { missing: 'skip' });
  const wanted = Array.from(ids, (_, row) => row + 1);
  for (let first = 0; first < ids.length; first += 10_000) {
    expect(await rowsOf(tables, ids.subarray(first, first + 10_000))).toEqual(
      wanted.slice(first, first + 10_000),
    );
  }
  expect(
    await rowsOf(
      tables,
      ids.subarray(0, 9).map((own) => own + 1n),
    ),
  ).toEqual(new Array(9).fill(0));
});

describe('an unknown id', () => {
  test.for([
    [99],
    BigInt64Array.of(99n),
    BigUint64Array.of(idMax - 1n),
    BigInt64Array.of(-7n),
    BigUint64Array.of(0xffffffffn),
  ])('is an error unless the table has another policy: %s', async (unknown) => {
    await using tables = await open(BigUint64Array.of(5n, 0n, idMax));
    const keys = Array.isArray(unknown) ? [5, 0, ...unknown] : BigInt64Array.of(5n, 0n, ...unknown);
    const error = await refused(() => rowsOf(tables, keys));
    expect({ ...error }).toMatchObject({
      code: 'INVALID_KEY',
      field: 'ids.keys',
      position: 2,
      value: BigInt(keys[2]),
    });
  });

  test.for(['skip', 'default'] as const)('is listed in the results with the policy %s', async (missing) => {
    await using tables = await open(BigUint64Array.of(5n, 0n, idMax), { missing, defaultRow: [9] });
    const bags: Bags = { keys: BigUint64Array.of(1n, 5n, idMax, 2n), offsets: [0] };
    const met = { missing: Uint32Array.of(), defaulted: Uint32Array.of(), padded: Uint32Array.of() };
    const at = Uint32Array.of(0, 3);
    expect((await tables.lookup({ ids: bags })).get('ids')).toMatchObject(
      missing === 'skip'
        ? { ...met, missing: at, counts: Uint32Array.of(0, 1, 1, 0) }
        : { ...met, defaulted: at, counts: Uint32Array.of(1, 1, 1, 1), values: Float32Array.of(9, 1, 3, 9) },
    );
  });
});

test('the padding id is padding, even if it is the id of a row', async () => {
  const ids = BigUint64Array.of(5n, 0n, idMax);
  for (const padding of [0, 5n, -1n, idMax, 77, -3n, 1n << 63n]) {
    await using tables = await open(ids, { padding, missing: 'skip' });
    const bits = BigInt.asUintN(64, BigInt(padding));
    const keys = BigUint64Array.of(5n, bits, 0n, bits, idMax, 4n);
    const pooled = (await tables.lookup({ ids: { keys, offsets: [0] } })).get('ids');
    const positions = (test: (own: bigint) => boolean): Uint32Array =>
      Uint32Array.from([...keys].flatMap((own, i) => (test(own) ? [i] : [])));
    expect(pooled?.padded).toEqual(positions((own) => own === bits));
    expect(pooled?.missing).toEqual(positions((own) => own === 4n));
    const rows = [...keys].map((own) => (own === bits ? 0 : ids.indexOf(own) + 1));
    expect([...(pooled?.values ?? [])]).toEqual(rows);
  }
});

describe('wrong ids', () => {
  test.for([
    ['a duplicate id', BigUint64Array.of(1n, 2n, 1n), 2, 1n],
    ['a duplicate signed id', BigInt64Array.of(-1n, 2n, -1n), 2, -1n],
    ['fewer ids than rows', BigUint64Array.of(1n, 2n), 2, 2],
    ['more ids than rows', BigUint64Array.of(1n, 2n, 3n, 4n), 3, 4],
    ['no ids', BigUint64Array.of(), 0, 0],
  ] as const)('%s', async ([, ids, position, value]) => {
    await using tables = new Tables({ slotBytes: 2 ** 16 });
    const add = (own: BigUint64Array | BigInt64Array): Promise<void> =>
      tables.add({ ...spec, rows: 3 }, { rows: Float32Array.of(1, 2, 3), ids: own });
    const error = await refused(() => add(ids));
    expect({ ...error }).toMatchObject({ code: 'INVALID_TABLE', field: 'ids', position, value });
    expect(tables.specs).toEqual([]);
    await add(BigUint64Array.of(1n, 2n, 3n));
    const { count } = tables.arenas;
    await tables.remove('ids');
    for (let i = 0; i < 20; i++) {
      await refused(() => add(ids));
      await add(BigUint64Array.of(3n, 2n, 1n));
      expect(await rowsOf(tables, [1, 2, 3])).toEqual([3, 2, 1]);
      await tables.remove('ids');
    }
    expect(tables.arenas.count).toBe(count);
  });
});
