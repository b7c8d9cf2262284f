import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bags, type KeyedBags, keyedJagged } from '../../src/index.ts';
import { expectSame } from '../bits.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { keys, refusals } from './bag-refusals.ts';
import { openAll, rows } from './bag-tables.ts';

describe('refused bags, with the position of the error', () => {
  const good: KeyedBags = { sum: { keys: [0, 5, 2], offsets: [0, 1] } };

  test.for(refusals)('%s', async ([, bags, wanted]) => {
    await using tables = await openAll();
    const before = await tables.lookup(good);
    const error = await refused(() => tables.lookup({ max: { keys, offsets: [0] }, sum: bags as Bags }));
    expect({ ...error }).toMatchObject(wanted);
    expectSame(await tables.lookup(good), before);
  });

  test('a feature that has no table of its name', async () => {
    await using tables = await openAll();
    const error = await refused(() => tables.lookup({ nowhere: { keys, offsets: [0] } }));
    expect({ ...error }).toMatchObject({ code: 'UNKNOWN_TABLE', field: 'nowhere', value: 'nowhere' });
  });

  test('if several keys are bad, the error names the first', async () => {
    await using tables = await openAll();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: rows }), { maxLength: 600, size: 'max' }), async (given) => {
        const first = given.indexOf(rows);
        const lookup = tables.lookup({ sum: { keys: Uint32Array.from(given), offsets: [0] } });
        if (first < 0) return void (await lookup);
        expect({ ...(await refused(() => lookup)) }).toMatchObject({ code: 'INVALID_KEY', position: first });
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
    ['values that are not a typed array', { keys: ['a'], values: [1], lengths: [1] }, 'INVALID_BAGS'],
    [
      'weights that are not numbers',
      { keys: ['a'], values: Uint32Array.of(1), lengths: [1], weights: ['1'] },
      'INVALID_WEIGHTS',
    ],
    [
      'lengths and offsets that differ',
      { keys: ['a'], values: Uint32Array.of(1, 2), lengths: [1, 1], offsets: [0, 2, 2] },
      'INVALID_OFFSETS',
    ],
    [
      'fewer offsets than lengths',
      { keys: ['a'], values: Uint32Array.of(1), lengths: [1, 0], offsets: [0, 1] },
      'INVALID_OFFSETS',
    ],
    [
      'strides of other bags',
      { keys: ['a', 'b'], values: Uint32Array.of(1, 2), lengths: [1, 1], strides: [1, 2] },
      'INVALID_BAGS',
    ],
    [
      'a negative stride',
      { keys: ['a', 'b'], values: Uint32Array.of(1, 2), lengths: [1, 1], strides: [-1, 3] },
      'INVALID_BAGS',
    ],
    [
      'strides of other features',
      { keys: ['a', 'b'], values: Uint32Array.of(1, 2), lengths: [1, 1], strides: [2] },
      'INVALID_BAGS',
    ],
    [
      'a feature named twice',
      { keys: ['a', 'a'], values: Uint32Array.of(1, 2), lengths: [1, 1] },
      'INVALID_BAGS',
    ],
  ] as const)('a jagged tensor with %s', async ([, tensor, code]) => {
    expect((await refused(() => keyedJagged(tensor as never))).code).toBe(code);
  });

  test('failed lookups give their slots back', async () => {
    // `most` needs almost all of the slots. `tooMuch` is larger by half, and does not fit even into fresh slots.
    const most: KeyedBags = { sum: { keys: new Uint32Array(20_000), offsets: [0] } };
    const tooMuch: KeyedBags = { sum: { keys: new Uint32Array(30_000), offsets: [0] } };
    await using tables = await openAll();
    expect((await refused(() => tables.lookup(tooMuch))).code).toBe('OUT_OF_MEMORY');
    const before = await tables.lookup(most);
    const first: KeyedBags = { mean: { keys: new Uint32Array(2_000), offsets: [0] } };
    const after = refusals.map(([, bags]) => ({ ...first, sum: bags as Bags }));
    // Refused by a kernel, while slots are allocated, and because there are not enough slots.
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
    expectSame(await tables.lookup(most), before);
  });
});
