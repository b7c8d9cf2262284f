// Bags in every convention.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bags, type Counts, type KeyedBags, type Keys, keyedJagged } from '../../src/index.ts';
import { expectSame } from '../bits.ts';
import { runs } from '../runs.ts';
import { models, offsetsOf, openAll, rows } from './bag-tables.ts';
import { bitsOf, expectedPooled, foundRows } from './expected.ts';

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

describe('conventions', () => {
  test('offsets, offsets with the last one, lengths and jagged tensors of every array kind pool the same', async () => {
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
          // Offsets without the last one cannot be empty if there are keys.
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

  test('a jagged tensor of several features pools the same as its features, by lengths and by offsets', async () => {
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
          expectSame(await tables.lookup(keyedJagged({ ...jagged, lengths: count(lengths) })), wanted);
          expectSame(await tables.lookup(keyedJagged({ ...jagged, offsets: count(offsets) })), wanted);
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

  test("TorchRec's variable batch: strides, and lengths that agree with offsets", () => {
    const tensor = { keys: ['user', 'item'], values: Uint32Array.of(1, 2, 3, 4, 5, 6, 7), strides: [3, 5] };
    const lengths = [1, 1, 1, 1, 1, 1, 1, 0];
    const offsets = [0, 1, 2, 3, 4, 5, 6, 7, 7];
    const bags = keyedJagged({ ...tensor, lengths });
    expect(
      Object.entries(bags).map(([name, { keys, offsets }]) => [name, [...keys], [...(offsets ?? [])]]),
    ).toEqual([
      ['user', [1, 2, 3], [0, 1, 2, 3]],
      ['item', [4, 5, 6, 7], [0, 1, 2, 3, 4, 4]],
    ]);
    expect(keyedJagged({ ...tensor, offsets })).toEqual(bags);
    expect(keyedJagged({ ...tensor, lengths, offsets })).toEqual(bags);
  });
});
