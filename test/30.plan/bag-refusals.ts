// Bags that are refused, with the position that the error names.
import { rows } from './bag-tables.ts';

type Refusal = readonly [
  what: string,
  bags: unknown,
  wanted: { code: string; field: string; position?: number | undefined; value?: unknown },
];

export const keys = [0, 1, 2];
const badKeyValues = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 40, 2 ** 53];
const badWideKeys = [-1n, 1n << 32n, (1n << 32n) + 1n, (1n << 63n) - 1n];
export const notNumbers = [null, undefined, '1', '', true, [1], {}, Object.create(null), Symbol('1')];
const nowhere = { position: undefined };

const at =
  (code: string, field: string) =>
  (position: number, value: unknown): Refusal[2] => ({ code, field, position, value });
const badOffset = at('INVALID_OFFSETS', 'sum.offsets');
const badLength = at('INVALID_OFFSETS', 'sum.lengths');
const badKey = at('INVALID_KEY', 'sum.keys');
const badWeight = at('INVALID_WEIGHTS', 'sum.weights');

export const refusals: Refusal[] = [
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
  ['keys after the last offset', { keys, offsets: [0, 2], includeLastOffset: true }, badOffset(1, 2)],
  ['keys and no bags', { keys, offsets: [0], includeLastOffset: true }, badOffset(0, 0)],
  ['keys and no offsets', { keys, offsets: [] }, badOffset(0, undefined)],
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
    'weights that are not an array',
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
    'offsets that are not an array',
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
