// Arbitrary bags of the tables in bag-tables.ts. Many are wrong in some way.
import fc from 'fast-check';
import { notNumbers } from './bag-refusals.ts';
import { ids, models, rows } from './bag-tables.ts';

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
/** Bags whose offsets and lengths are often valid. */
export const hostileBags: fc.Arbitrary<Record<string, unknown>> = fc
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
