import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bags,
  type Counts,
  FlexemrError,
  type KeyedBags,
  type Keys,
  keyedJagged,
  type TableMode,
  Tables,
} from '../../src/index.ts';
import { runs } from '../runs.ts';
import { bitsOf, expectedPooled, foundIds, foundRows, type ModelTable } from './expected.ts';

const rows = 6;
const dim = 3;
const data = Float32Array.from({ length: rows * dim }, (_, i) => Math.sin(i * 7) * 10 ** ((i % 5) - 2));
const decoded = Array.from({ length: rows }, (_, row) => data.subarray(row * dim, (row + 1) * dim));
const ids = BigUint64Array.of(0n, 7n, 1n << 40n, (1n << 53n) - 1n, 1n << 63n, (1n << 64n) - 1n);
const idRows = new Map(Array.from(ids, (id, row) => [id, row]));
const defaultRow = [0.5, -2, 3];

const models: Record<string, ModelTable> = Object.fromEntries([
  ...(['sum', 'mean', 'sqrtn', 'max', 'none'] as TableMode[]).map((mode) => [
    mode,
    { mode, dim, rows: decoded },
  ]),
  ['skip', { mode: 'mean', dim, rows: decoded, missing: 'skip' }],
  [
    'default',
    { mode: 'sum', dim, rows: decoded, missing: 'default', defaultRow: Float32Array.of(...defaultRow) },
  ],
  ['ids', { mode: 'sum', dim, rows: decoded, missing: 'skip' }],
]);

/** A table for each model. Slots are small, so that what a lookup leaves behind shows. */
async function openAll(): Promise<Tables> {
  const tables = new Tables({ slotBytes: 2 ** 18 });
  for (const [name, { mode, missing }] of Object.entries(models)) {
    const spec = {
      name,
      rows,
      dim,
      mode,
      missing,
      defaultRow: missing === 'default' ? defaultRow : undefined,
    };
    await tables.add(spec, { rows: data, ids: name === 'ids' ? ids : undefined });
  }
  return tables;
}

async function refusal(work: () => unknown): Promise<FlexemrError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    return error as FlexemrError;
  }
  throw new Error('nothing was refused');
}

const arrayKinds: Record<string, (values: readonly number[]) => Keys & Counts> = {
  array: (values) => [...values],
  Uint8Array: (values) => Uint8Array.from(values),
  Int8Array: (values) => Int8Array.from(values),
  Uint16Array: (values) => Uint16Array.from(values),
  Int16Array: (values) => Int16Array.from(values),
  Uint32Array: (values) => Uint32Array.from(values),
  Int32Array: (values) => Int32Array.from(values),
  Float32Array: (values) => Float32Array.from(values),
  Float64Array: (values) => Float64Array.from(values),
  BigInt64Array: (values) => BigInt64Array.from(values, BigInt),
  BigUint64Array: (values) => BigUint64Array.from(values, BigInt),
};
const kind = fc.constantFrom(...Object.keys(arrayKinds));

function offsetsOf(lengths: readonly number[]): number[] {
  let end = 0;
  return [0, ...lengths.map((length) => (end += length))];
}

describe('conventions', () => {
  test('offsets, offsets with the last one, lengths and jagged tensors of every array kind pool alike', async () => {
    await using tables = await openAll();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('sum', 'mean', 'sqrtn', 'max', 'none'),
        fc.array(fc.nat({ max: 5 }), { maxLength: 9 }),
        fc.infiniteStream(fc.nat({ max: rows - 1 })),
        fc.boolean(),
        fc.tuple(kind, kind),
        async (name, lengths, stream, weighs, [keyKind, countKind]) => {
          const offsets = offsetsOf(lengths);
          const rowKeys = [...stream.take(offsets[lengths.length])];
          const weighted = weighs && name !== 'max' && name !== 'none';
          const weights = weighted ? Float32Array.from(rowKeys, (key, i) => key / 4 - i) : undefined;
          const wanted = expectedPooled(models[name], { found: foundRows(rowKeys, rows), offsets, weights });
          const keys = arrayKinds[keyKind](rowKeys);
          const count = arrayKinds[countKind];
          // Without a last offset no bag at all means that no key has one.
          const given: Bags[] = [
            { keys, offsets: count(offsets), includeLastOffset: true, weights },
            { keys, offsets: count(offsets.slice(0, -1)), weights },
            { keys, lengths: count(lengths), weights },
            { keys, lengths: count(lengths), weights: weights && [...weights] },
            { keys, lengths: count(lengths), weights: weights && Float64Array.from(weights) },
          ];
          for (const bags of given) {
            const found = (await tables.lookup({ f: { ...bags, table: name } })).get('f');
            expect(found && bitsOf(found)).toEqual(bitsOf(wanted as never));
          }
        },
      ),
      { numRuns: runs.bagConventions },
    );
  });

  test('a jagged tensor of several features pools as its features do, by lengths and by offsets', async () => {
    await using tables = await openAll();
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.constantFrom('sum', 'mean', 'sqrtn', 'skip'), { minLength: 1 }),
        fc.nat({ max: 5 }),
        fc.infiniteStream(fc.nat({ max: 4 })),
        fc.boolean(),
        kind,
        async (features, bags, stream, weighted, countKind) => {
          const lengths = [...stream.take(features.length * bags)];
          const offsets = offsetsOf(lengths);
          const values = Uint32Array.from(stream.take(offsets[lengths.length]));
          const weights = weighted ? Float32Array.from(values, (key, i) => key - i / 8) : undefined;
          const count = arrayKinds[countKind];
          const apart: KeyedBags = Object.fromEntries(
            features.map((feature, i) => {
              const own = offsets.slice(i * bags, (i + 1) * bags + 1);
              const [begin, end] = [own[0], own[bags]];
              const cut = { keys: values.slice(begin, end), weights: weights?.slice(begin, end) };
              return [feature, { ...cut, lengths: lengths.slice(i * bags, (i + 1) * bags) }];
            }),
          );
          const wanted = await tables.lookup(apart);
          const jagged = { keys: features, values, weights };
          expect(await tables.lookup(keyedJagged({ ...jagged, lengths: count(lengths) }))).toEqual(wanted);
          expect(await tables.lookup(keyedJagged({ ...jagged, offsets: count(offsets) }))).toEqual(wanted);
        },
      ),
      { numRuns: runs.bagConventions },
    );
  });

  test("TorchRec's example: lengths [2,0,1,1,1,3] are offsets [0,2,2,3,4,5,8]", async () => {
    const tensor = { keys: ['sum', 'max'], values: Uint32Array.of(0, 1, 2, 3, 4, 5, 0, 1) };
    const byLengths = keyedJagged({ ...tensor, lengths: [2, 0, 1, 1, 1, 3] });
    expect(keyedJagged({ ...tensor, offsets: [0, 2, 2, 3, 4, 5, 8] })).toEqual(byLengths);
    await using tables = await openAll();
    const lookup = await tables.lookup(byLengths);
    expect([...lookup].map(([feature, { counts }]) => [feature, [...counts]])).toEqual([
      ['sum', [2, 0, 1]],
      ['max', [1, 1, 3]],
    ]);
  });

  test('keys after the last offset are in no bag', async () => {
    await using tables = await openAll();
    const cut = await tables.lookup({
      sum: { keys: [1, 2, 3], offsets: [0, 1, 2], includeLastOffset: true },
    });
    expect(cut).toEqual(await tables.lookup({ sum: { keys: [1, 2], offsets: [0, 1] } }));
  });
});

type Refusal = readonly [
  what: string,
  bags: unknown,
  wanted: { code: string; field: string; position?: number | undefined; value?: unknown },
];

const keys = [0, 1, 2];
const badKeyValues = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 40, 2 ** 53];
const badWideKeys = [-1n, 1n << 32n, (1n << 32n) + 1n, (1n << 63n) - 1n];
const notNumbers = [null, undefined, '1', '', true, [1], {}, Object.create(null), Symbol('1')];
const nowhere = { position: undefined };

const at =
  (code: string, field: string) =>
  (position: number, value: unknown): Refusal[2] => ({ code, field, position, value });
const badOffset = at('INVALID_OFFSETS', 'sum.offsets');
const badLength = at('INVALID_OFFSETS', 'sum.lengths');
const badKey = at('INVALID_KEY', 'sum.keys');
const badWeight = at('INVALID_WEIGHTS', 'sum.weights');

const refusals: Refusal[] = [
  ['offsets that decrease', { keys, offsets: [0, 2, 1] }, badOffset(2, 1)],
  ['offsets past the end', { keys, offsets: [0, 4] }, badOffset(1, 4)],
  ['a last offset past the end', { keys, offsets: [0, 4], includeLastOffset: true }, badOffset(1, 4)],
  ['offsets that do not start at 0', { keys, offsets: [1, 2] }, badOffset(0, 1)],
  ['a negative offset', { keys, offsets: [0, -1] }, badOffset(1, -1)],
  ['a negative first offset', { keys, offsets: Int32Array.of(-1) }, badOffset(0, -1)],
  ['a negative bigint offset', { keys, offsets: BigInt64Array.of(0n, -1n) }, badOffset(1, -1n)],
  [
    'an offset of 2^64 − 1',
    { keys, offsets: BigUint64Array.of(0n, (1n << 64n) - 1n) },
    badOffset(1, (1n << 64n) - 1n),
  ],
  ['an offset of 2^32', { keys, offsets: [0, 2 ** 32] }, badOffset(1, 2 ** 32)],
  ['a fractional offset', { keys, offsets: [0, 1.5] }, badOffset(1, 1.5)],
  ['an offset that is NaN', { keys, offsets: Float64Array.of(0, Number.NaN) }, badOffset(1, Number.NaN)],
  ['no last offset', { keys, offsets: [], includeLastOffset: true }, badOffset(0, undefined)],
  ['lengths with too small a sum', { keys, lengths: [1, 1] }, badLength(1, 1)],
  ['no lengths for keys', { keys, lengths: [] }, badLength(0, undefined)],
  ['lengths with too large a sum', { keys, lengths: [1, 3, 0] }, badLength(1, 3)],
  ['lengths whose sum wraps around 2^32', { keys, lengths: [3, 2 ** 32 - 1, 1] }, badLength(1, 2 ** 32 - 1)],
  ['a negative length', { keys, lengths: [4, -1] }, badLength(0, 4)],
  ['a negative first length', { keys, lengths: [-1, 4] }, badLength(0, -1)],
  ['a fractional length', { keys, lengths: [1.5, 1.5] }, badLength(0, 1.5)],
  ['a length that is NaN', { keys, lengths: [3, Number.NaN] }, badLength(1, Number.NaN)],
  ...notNumbers.flatMap((value): Refusal[] => [
    [
      `an offset that is no number: ${describeValue(value)}`,
      { keys, offsets: [0, value] },
      badOffset(1, value),
    ],
    [
      `a length that is no number: ${describeValue(value)}`,
      { keys: [], lengths: [0, value] },
      badLength(1, value),
    ],
    [
      `a weight that is no number: ${describeValue(value)}`,
      { keys: [1], offsets: [0], weights: [value] },
      badWeight(0, value),
    ],
    [
      `a key that is no number: ${describeValue(value)}`,
      { keys: [1, value], offsets: [0] },
      badKey(1, value),
    ],
    [
      `an id that is no number: ${describeValue(value)}`,
      { table: 'ids', keys: [0, value], offsets: [0] },
      badKey(1, value),
    ],
  ]),
  ['a bigint in an array of keys', { keys: [1, 1n], offsets: [0] }, badKey(1, 1n)],
  ['too few weights', { keys, offsets: [0], weights: [1, 1] }, badWeight(2, 2)],
  ['too many weights', { keys, offsets: [0], weights: new Float32Array(5) }, badWeight(3, 5)],
  [
    'weights that are no array',
    { keys, offsets: [0], weights: 1 },
    { code: 'INVALID_WEIGHTS', field: 'sum.weights', value: 1, ...nowhere },
  ],
  ['weights of bigints', { keys, offsets: [0], weights: BigInt64Array.of(1n, 1n, 1n) }, badWeight(0, 1n)],
  [
    'weights for max',
    { table: 'max', keys, offsets: [0], weights: [1, 1, 1] },
    { code: 'INVALID_WEIGHTS', field: 'sum.weights', value: 'max', ...nowhere },
  ],
  [
    'weights for none',
    { table: 'none', keys, offsets: [0], weights: [1, 1, 1] },
    { code: 'INVALID_WEIGHTS', field: 'sum.weights', value: 'none', ...nowhere },
  ],
  ...['sum', 'skip', 'default'].flatMap((table): Refusal[] => [
    ...badKeyValues.flatMap((value): Refusal[] => [
      [`key ${value} of ${table}`, { table, keys: [1, value], lengths: [0, 2] }, badKey(1, value)],
      [
        `f64 key ${value} of ${table}`,
        { table, keys: Float64Array.of(0, 2, value), offsets: [0] },
        badKey(2, value),
      ],
    ]),
    ...badWideKeys.map(
      (value): Refusal => [
        `key ${value}n of ${table}`,
        { table, keys: BigInt64Array.of(1n, value), lengths: [1, 1] },
        badKey(1, value),
      ],
    ),
    [
      `key 2^64 − 1 of ${table}`,
      { table, keys: BigUint64Array.of(1n, (1n << 64n) - 1n), lengths: [1, 1] },
      badKey(1, (1n << 64n) - 1n),
    ],
    [`i32 key −1 of ${table}`, { table, keys: Int32Array.of(1, -1), lengths: [2] }, badKey(1, -1)],
  ]),
  ...[rows, rows + 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1].flatMap((value): Refusal[] => [
    [`key ${value} of a table of ${rows} rows`, { keys: [1, value], offsets: [0] }, badKey(1, value)],
    [
      `u32 key ${value} of a table of ${rows} rows`,
      { keys: Uint32Array.of(1, value), offsets: [0] },
      badKey(1, value),
    ],
    [
      `u64 key ${value} of a table of ${rows} rows`,
      { keys: BigInt64Array.of(1n, BigInt(value)), offsets: [0] },
      badKey(1, BigInt(value)),
    ],
  ]),
  [
    'keys past the end of a table that is not pooled',
    { table: 'none', keys: [0, rows], offsets: [0] },
    badKey(1, rows),
  ],
  ['an id of −1', { table: 'ids', keys: [0, -1], offsets: [0] }, badKey(1, -1)],
  ['an id of 2^53', { table: 'ids', keys: [0, 2 ** 53], offsets: [0] }, badKey(1, 2 ** 53)],
  ['neither offsets nor lengths', { keys }, { code: 'INVALID_BAGS', field: 'sum.offsets', ...nowhere }],
  [
    'both offsets and lengths',
    { keys, offsets: [0], lengths: [3] },
    { code: 'INVALID_BAGS', field: 'sum.offsets', ...nowhere },
  ],
  [
    'offsets that are no array',
    { keys, offsets: 0 },
    { code: 'INVALID_BAGS', field: 'sum.offsets', ...nowhere },
  ],
  [
    'lengths that are null',
    { keys, lengths: null },
    { code: 'INVALID_BAGS', field: 'sum.offsets', ...nowhere },
  ],
  ...[undefined, null, 3, 'keys', new DataView(new ArrayBuffer(8)), { length: 2 }].map((given): Refusal => {
    const bags = { keys: given, offsets: [0] };
    return [
      `keys that are no array: ${describeValue(given)}`,
      bags,
      { code: 'INVALID_BAGS', field: 'sum.keys', value: bags, ...nowhere },
    ];
  }),
  ...[null, undefined, 3, 'bags'].map(
    (bags): Refusal => [
      `bags that are no object: ${bags}`,
      bags,
      { code: 'INVALID_BAGS', field: 'sum.keys', value: bags, ...nowhere },
    ],
  ),
  [
    'an unknown table',
    { table: 'nowhere', keys, offsets: [0] },
    { code: 'UNKNOWN_TABLE', field: 'sum', value: 'nowhere', ...nowhere },
  ],
];

function describeValue(value: unknown): string {
  const bare = value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === null;
  return value === null ? 'null' : `${bare ? 'bare ' : ''}${typeof value} ${JSON.stringify(value)}`;
}

describe('what is refused, with its place', () => {
  const good: KeyedBags = { sum: { keys: [0, 5, 2], offsets: [0, 1] } };

  test.for(refusals)('%s', async ([, bags, wanted]) => {
    await using tables = await openAll();
    const before = await tables.lookup(good);
    const error = await refusal(() => tables.lookup({ max: { keys, offsets: [0] }, sum: bags as Bags }));
    expect({ ...error }).toMatchObject(wanted);
    expect(await tables.lookup(good)).toEqual(before);
  });

  test('a feature that is named as no table', async () => {
    await using tables = await openAll();
    const error = await refusal(() => tables.lookup({ nowhere: { keys, offsets: [0] } }));
    expect({ ...error }).toMatchObject({ code: 'UNKNOWN_TABLE', field: 'nowhere', value: 'nowhere' });
  });

  test('of several bad keys, the first is named', async () => {
    await using tables = await openAll();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: rows }), { maxLength: 600, size: 'max' }), async (given) => {
        const first = given.indexOf(rows);
        const lookup = tables.lookup({ sum: { keys: Uint32Array.from(given), offsets: [0] } });
        if (first < 0) return void (await lookup);
        expect({ ...(await refusal(() => lookup)) }).toMatchObject({ code: 'INVALID_KEY', position: first });
      }),
      { numRuns: runs.bagConventions },
    );
  });

  test.for([
    ['no features', { keys: [], values: Uint32Array.of(), lengths: [] }, 'INVALID_BAGS'],
    [
      'lengths that are not features × bags',
      { keys: ['a', 'b'], values: Uint32Array.of(1, 2, 3), lengths: [1, 1, 1] },
      'INVALID_BAGS',
    ],
    [
      'lengths with too large a sum',
      { keys: ['a'], values: Uint32Array.of(1), lengths: [2] },
      'INVALID_OFFSETS',
    ],
    ['no last offset', { keys: ['a'], values: Uint32Array.of(), offsets: [] }, 'INVALID_OFFSETS'],
    [
      'weights of another length',
      { keys: ['a'], values: Uint32Array.of(1), lengths: [1], weights: Float32Array.of(1, 1) },
      'INVALID_WEIGHTS',
    ],
    ['neither lengths nor offsets', { keys: ['a'], values: Uint32Array.of(1) }, 'INVALID_BAGS'],
    ['values that are no typed array', { keys: ['a'], values: [1], lengths: [1] }, 'INVALID_BAGS'],
    [
      'weights that are no numbers',
      { keys: ['a'], values: Uint32Array.of(1), lengths: [1], weights: ['1'] },
      'INVALID_WEIGHTS',
    ],
    [
      'a feature named twice',
      { keys: ['a', 'a'], values: Uint32Array.of(1, 2), lengths: [1, 1] },
      'INVALID_BAGS',
    ],
  ] as const)('a jagged tensor with %s', async ([, tensor, code]) => {
    expect((await refusal(() => keyedJagged(tensor as never))).code).toBe(code);
  });

  test('failed lookups give their slots back', async () => {
    // Almost all of the slots: half as much again does not fit even into fresh ones.
    const most: KeyedBags = { sum: { keys: new Uint32Array(48_000), offsets: [0] } };
    const tooMuch: KeyedBags = { sum: { keys: new Uint32Array(72_000), offsets: [0] } };
    await using tables = await openAll();
    expect((await refusal(() => tables.lookup(tooMuch))).code).toBe('OUT_OF_MEMORY');
    const before = await tables.lookup(most);
    const first: KeyedBags = { mean: { keys: new Uint32Array(2_000), offsets: [0] } };
    const after = refusals.map(([, bags]) => ({ ...first, sum: bags as Bags }));
    // Refused by a kernel, while slots are made, and for want of them.
    const faults: KeyedBags[] = [
      { ...first, sum: { keys: Uint32Array.of(rows), offsets: [0] } },
      { ...first, max: { keys: [1], offsets: [0], weights: [1] } },
      { ...first, none: { keys: BigInt64Array.of(-1n), offsets: [0] } },
      { ...first, ...tooMuch },
      ...after,
    ];
    let failed = 0;
    for (let i = 0; failed < runs.failedLookups; i++) {
      await tables.lookup(faults[i % faults.length]).catch(() => failed++);
    }
    expect(await tables.lookup(most)).toEqual(before);
  });
});

// Any bags at all: the reference says which are sound and what they give; all others are refused.
const hostileNumber = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: rows }) },
  fc.constantFrom(
    -0,
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    1e300,
  ),
  fc.double(),
);
const hostileBigint = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: BigInt(rows) }) },
  fc.constantFrom(-1n, ...ids, 1n << 32n, (1n << 32n) - 1n),
);
const numberKinds = [
  Array,
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
];
const hostileArray = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...numberKinds), fc.array(hostileNumber, { maxLength: 12 }))
      .map(([made, of]): unknown => (made as typeof Array).from(of)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(BigInt64Array, BigUint64Array), fc.array(hostileBigint, { maxLength: 12 }))
      .map(([made, of]): unknown => made.from(of)),
  },
  fc.array(fc.oneof(hostileNumber, hostileBigint, fc.constantFrom(...notNumbers)), { maxLength: 6 }),
  fc.constantFrom(...notNumbers, new DataView(new ArrayBuffer(4))),
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
/** Offsets and lengths that are often right. */
const hostileBags = fc
  .record({
    table: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...Object.keys(models)) },
      fc.constant('nowhere'),
    ),
    keys: hostileArray,
    shape: fc.constantFrom('right lengths', 'right offsets', 'any'),
    cuts: fc.array(fc.nat({ max: 12 }), { maxLength: 5 }),
    lengths: maybe(hostileArray),
    offsets: maybe(hostileArray),
    includeLastOffset: fc.boolean(),
    weights: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, hostileArray, fc.constant('right')),
  })
  .map(({ shape, cuts, ...bags }): Record<string, unknown> => {
    const count = (bags.keys as { length?: number } | null | undefined)?.length ?? 0;
    const sorted = cuts.map((cut) => Math.min(cut, count)).sort((a, b) => a - b);
    const bounds = [0, ...sorted, ...(bags.includeLastOffset ? [count] : [])];
    const own =
      bags.weights === 'right' ? { ...bags, weights: Array.from({ length: count }, (_, i) => i / 2) } : bags;
    if (shape === 'right offsets') return { ...own, offsets: bounds, lengths: undefined };
    if (shape === 'any') return own;
    const ends = [...sorted, count];
    return { ...own, offsets: undefined, lengths: ends.map((end, i) => end - (ends[i - 1] ?? 0)) };
  });

const isArray = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** The reference's result, or undefined where the bags must be refused. */
function modelLookup({ table, keys, offsets, lengths, includeLastOffset, weights }: Record<string, unknown>) {
  const model = models[table as string];
  if (model === undefined || !isArray(keys) || (offsets === undefined) === (lengths === undefined))
    return undefined;
  const counts = offsets ?? lengths;
  if (!isArray(counts)) return undefined;
  const whole = Array.from(counts, (count) =>
    typeof count === 'number' || typeof count === 'bigint' ? Number(count) : Number.NaN,
  );
  if (!whole.every((count) => Number.isInteger(count) && count >= 0)) return undefined;
  const last = offsets !== undefined && !includeLastOffset ? [keys.length] : [];
  // Where there is no bag, no key is in one.
  const ends = whole.length === 0 ? last.map(() => 0) : last;
  const bounds = lengths !== undefined ? offsetsOf(whole) : [...whole, ...ends];
  const end = bounds[bounds.length - 1];
  if (bounds[0] !== 0) return undefined;
  if (end > keys.length || bounds.some((bound, i) => bound < (bounds[i - 1] ?? 0))) return undefined;
  if (lengths !== undefined && end !== keys.length) return undefined;
  const wide = keys instanceof BigInt64Array || keys instanceof BigUint64Array;
  const given = Array.from(keys, (key) =>
    typeof key === 'number' || (wide && typeof key === 'bigint') ? key : Number.NaN,
  );
  const found = table === 'ids' ? foundIds(given, idRows) : foundRows(given, rows);
  let weighting: Float32Array | undefined;
  if (weights !== undefined) {
    if (!isArray(weights) || weights.length !== keys.length || model.mode === 'max' || model.mode === 'none')
      return undefined;
    const all = Array.from(weights);
    if (!all.every((weight) => typeof weight === 'number')) return undefined;
    weighting = Float32Array.from(all);
  }
  const pooled = expectedPooled(model, { found, offsets: bounds, weights: weighting });
  if (typeof pooled === 'number') return undefined;
  // Keys in no bag need not be looked at.
  return { pooled, careless: found.slice(end).includes('bad') };
}

test('hostile bags give the result of the reference or are refused, and nothing else happens', async () => {
  await using tables = await openAll();
  await fc.assert(
    fc.asyncProperty(hostileBags, async (bags) => {
      const wanted = modelLookup(bags);
      const got = await tables.lookup({ f: bags as unknown as Bags }).catch((error: unknown) => error);
      if (got instanceof Map && wanted) expect(bitsOf(got.get('f'))).toEqual(bitsOf(wanted.pooled));
      else if (got instanceof Map) expect.fail('bags that are not sound were looked up');
      else {
        expect(got).toBeInstanceOf(FlexemrError);
        if (!wanted?.careless) expect(wanted).toBeUndefined();
      }
    }),
    { numRuns: runs.hostileBags },
  );
});
