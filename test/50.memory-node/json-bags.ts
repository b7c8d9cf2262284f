// Draws lookups of the tables of whole numbers, in the forms that JSON allows.
import fc from 'fast-check';
import type { Bags } from '../../src/index.ts';
import { numberKeyMax } from '../../src/limits.ts';
import type { GivenTable } from '../tables-file.ts';
import { ids, paddingId } from './whole-numbers.ts';

export type JsonNumber = number | string;

export interface JsonBags {
  readonly table: string;
  readonly keys: readonly (number | string)[];
  readonly lengths?: readonly number[];
  readonly offsets?: readonly number[];
  readonly includeLastOffset?: boolean;
  readonly weights?: readonly JsonNumber[];
}

const rowKey = fc.oneof(fc.nat({ max: 39 }), fc.constantFrom(0, 5, 39, 40, 41, 2 ** 32 - 1));
const idKey = fc.oneof(
  fc.nat({ max: 39 }).map((row) => ids[row]),
  fc.constantFrom(paddingId, 1n, 2n ** 64n - 1n, 2n ** 63n),
);
/** Integers, so that sums are exact, and rarely NaN or infinities. */
const weight = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -3, max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom('NaN', 'Infinity', '-Infinity') },
);

/** Bags of one table, with keys as numbers or text. */
export const bagsOf = (table: GivenTable): fc.Arbitrary<JsonBags> => {
  const { name, mode } = table.spec;
  const takesWeights = mode !== 'max' && mode !== 'none';
  return fc
    .record({
      lengths: fc.array(fc.nat({ max: 4 }), { maxLength: 6 }),
      keys: fc.infiniteStream<number | bigint>(table.ids ? idKey : rowKey),
      weighted: fc.boolean(),
      weights: fc.infiniteStream(weight),
      text: fc.infiniteStream(fc.boolean()),
      convention: fc.constantFrom('lengths', 'offsets', 'last offset'),
    })
    .map(({ lengths, keys, weighted, weights, text, convention }) => {
      const count = lengths.reduce((sum, length) => sum + length, 0);
      const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0));
      const starts = [0, ...ends.slice(0, -1)].slice(0, lengths.length);
      const withEnd = { offsets: [0, ...ends], includeLastOffset: true };
      const written = Array.from({ length: count }, () => {
        const key = keys.next().value;
        return key > BigInt(numberKeyMax) || text.next().value ? String(key) : Number(key);
      });
      return {
        table: name,
        keys: written,
        ...(convention === 'lengths'
          ? { lengths }
          : convention === 'offsets'
            ? { offsets: starts }
            : withEnd),
        ...(weighted &&
          takesWeights && { weights: Array.from({ length: count }, () => weights.next().value) }),
      };
    });
};

/** The same bags for a lookup in this process. */
export function inProcess({ keys, weights, ...bags }: JsonBags, indexed: boolean): Bags {
  return {
    ...bags,
    keys: indexed ? BigUint64Array.from(keys, BigInt) : keys.map(Number),
    weights: weights?.map(Number),
  };
}
