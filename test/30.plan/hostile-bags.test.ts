// Looks up arbitrary bags. The reference tells which bags are valid and their results; all others must be refused.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bags, FlexemrError } from '../../src/index.ts';
import { runs } from '../runs.ts';
import { idRows, models, offsetsOf, openAll, rows } from './bag-tables.ts';
import { bitsOf, expectedPooled, foundIds, foundRows } from './expected.ts';
import { hostileBags } from './hostile-bags.ts';

const isArray = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** @returns the result of the reference, or undefined if the bags must be refused */
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
  // Without offsets there are no bags, so no key can be in one.
  const ends = whole.length === 0 ? last.map(() => 0) : last;
  const bounds = lengths !== undefined ? offsetsOf(whole) : [...whole, ...ends];
  const end = bounds[bounds.length - 1];
  if (bounds[0] !== 0) return undefined;
  if (end > keys.length || bounds.some((bound, i) => bound < (bounds[i - 1] ?? 0))) return undefined;
  // Each key must be in a bag.
  if (end !== keys.length) return undefined;
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
  return typeof pooled === 'number' ? undefined : pooled;
}

test('hostile bags either give the result of the reference or are refused', async () => {
  await using tables = await openAll();
  await fc.assert(
    fc.asyncProperty(hostileBags, async (bags) => {
      const wanted = modelLookup(bags);
      const got = await tables.lookup({ f: bags as unknown as Bags }).catch((error: Error) => error);
      const pooled = got instanceof Error ? undefined : got.get('f');
      if (pooled && wanted) expect(bitsOf(pooled)).toEqual(bitsOf(wanted));
      else if (pooled) expect.fail('invalid bags were looked up');
      else {
        expect(got).toBeInstanceOf(FlexemrError);
        expect(wanted).toBeUndefined();
      }
    }),
    { numRuns: runs.hostileBags },
  );
});
