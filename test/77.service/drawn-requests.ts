// Draws requests to score, and brings them to one form, in which they can be compared.
import fc from 'fast-check';
import type { Bags } from '../../src/index.ts';
import type { ScoreRequest } from '../../src/scorer/score-request.ts';
import { signature } from './fake-scoring.ts';

/** The bags of one feature. */
export interface DrawnBags {
  /** u64. */
  readonly bags: readonly (readonly bigint[])[];
  readonly weights: Float32Array | undefined;
  readonly inverse: readonly number[] | undefined;
}

export interface DrawnRequest {
  readonly candidates: number;
  /** In the order of the signature. */
  readonly features: readonly DrawnBags[];
  readonly dense: readonly Float32Array[];
}

const key = fc.oneof(
  fc.nat({ max: 300 }).map(BigInt),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n - 1n,
  ),
);
export const f32 = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 0.5, -3, Math.fround(0.1), 2 ** -149, Math.fround(3.4028234663852886e38), 2 ** -126),
);

function bagsOf(candidates: number): fc.Arbitrary<DrawnBags> {
  const results = fc.constantFrom(1, candidates);
  const shape = fc.record({ results, own: fc.nat({ max: 5 }), even: fc.option(fc.nat({ max: 3 })) });
  return shape.chain(({ results, own, even }) => {
    const length = even === null ? { maxLength: 3 } : { minLength: even, maxLength: even };
    const inverse = fc.array(fc.nat({ max: own }), { minLength: results, maxLength: results });
    return fc
      .record({ isWeighted: fc.boolean(), isInverse: fc.boolean() })
      .chain(({ isWeighted, isInverse }) => {
        const count = isInverse ? own + 1 : results;
        return fc.array(fc.array(key, length), { minLength: count, maxLength: count }).chain((bags) => {
          const keys = bags.flat().length;
          return fc.record({
            bags: fc.constant(bags),
            weights: isWeighted
              ? fc.array(f32, { minLength: keys, maxLength: keys }).map((values) => Float32Array.from(values))
              : fc.constant(undefined),
            inverse: isInverse ? inverse : fc.constant(undefined),
          });
        });
      });
  });
}

export const drawnRequest: fc.Arbitrary<DrawnRequest> = fc.integer({ min: 1, max: 4 }).chain((candidates) => {
  const rows = signature.dense.map(({ width }) =>
    fc
      .constantFrom(1, candidates)
      .chain((count) => fc.array(f32, { minLength: count * width, maxLength: count * width }))
      .map((values) => Float32Array.from(values)),
  );
  return fc.record({
    candidates: fc.constant(candidates),
    features: fc.tuple(...signature.features.map(() => bagsOf(candidates))),
    dense: fc.tuple(...rows),
  });
});

/** Floats as their bits, so that −0 and 0 differ. */
export function bitsOf(values: Float32Array | undefined): number[] | undefined {
  return values && Array.from(new Uint32Array(Float32Array.from(values).buffer));
}

/** The form in which requests are compared. */
export function plainOf({ features, dense }: DrawnRequest): object {
  return {
    bags: features.map(({ bags, weights, inverse }) => ({ bags, weights: bitsOf(weights), inverse })),
    dense: dense.map(bitsOf),
  };
}

/** The same of what a scorer was given. */
export function plainOfGiven({ bags, dense = {} }: ScoreRequest): object {
  return {
    bags: signature.features.map(({ name }) => {
      const { keys, weights, inverse, ...ends } = bags[name];
      const all = Array.from<number | bigint, bigint>(keys, (each) => BigInt.asUintN(64, BigInt(each)));
      return {
        bags: cut(all, ends),
        weights: weights && bitsOf(Float32Array.from(weights)),
        inverse: inverse && Array.from<number | bigint, number>(inverse, Number),
      };
    }),
    dense: signature.dense.map(({ name }) => bitsOf(dense[name])),
  };
}

function cut(keys: readonly bigint[], { offsets, lengths }: Omit<Bags, 'keys'>): bigint[][] {
  const sizes = lengths && Array.from<number | bigint, number>(lengths, Number);
  const ends = offsets
    ? Array.from<number | bigint, number>(offsets, Number)
    : [0, ...(sizes ?? []).map((_, i) => (sizes ?? []).slice(0, i + 1).reduce((sum, size) => sum + size, 0))];
  return ends.slice(1).map((end, i) => keys.slice(ends[i], end));
}

/** A simple request of any number of candidates. */
export function requestOf(candidates: number): DrawnRequest {
  const bags = { bags: [[1n, 2n]], weights: undefined, inverse: undefined };
  return {
    candidates,
    features: signature.features.map(() => bags),
    dense: signature.dense.map(({ width }) => new Float32Array(candidates * width)),
  };
}
