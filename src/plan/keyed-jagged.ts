import * as v from 'valibot';
import { checkFields, given, options, type Schema } from '../check.ts';
import { FlexemrError, invalidAt } from '../errors.ts';
import type { Bags, Counts, KeyedBags, Keys, NumberArray } from './bags.ts';
import { isTypedArray, offsetsOf, weightsOf } from './checked-bags.ts';

/** TorchRec's KeyedJaggedTensor: all bags of one feature, then all bags of the next. Give lengths, offsets, or both. */
export interface KeyedJagged {
  /** Feature names. */
  readonly keys: readonly string[];
  readonly values: Exclude<Keys, readonly number[]>;
  readonly weights?: NumberArray | undefined;
  /** [bags of all features], feature-major. */
  readonly lengths?: Counts | undefined;
  /** [bags of all features + 1]. */
  readonly offsets?: Counts | undefined;
  /**
   * Which bag of its feature each result is of (`inverse_indices`), feature-major; all features have the same number of
   * results. Default: result i is of bag i.
   */
  readonly inverse?: NumberArray | Uint32Array | Int32Array | BigInt64Array | undefined;
  /** Bags of each feature. Default: all features have the same number of bags. */
  readonly strides?: readonly number[] | undefined;
}

/** The arrays are checked later, by checks that name the position of an error. */
const keyedJaggedTensor: Schema<KeyedJagged> = options({
  keys: v.array(v.string()),
  values: v.custom<KeyedJagged['values']>(isTypedArray, 'a typed array'),
  weights: v.optional(given<NumberArray>('weights')),
  lengths: v.optional(given<Counts>('lengths')),
  offsets: v.optional(given<Counts>('offsets')),
  inverse: v.optional(given<KeyedJagged['inverse']>('inverse indices')),
  strides: v.optional(v.array(v.number())),
});

/**
 * The bags of a KeyedJaggedTensor by feature, as views of its values.
 * @throws INVALID_BAGS, INVALID_OFFSETS, INVALID_WEIGHTS
 */
export function keyedJagged(tensor: KeyedJagged): KeyedBags {
  const jagged = checkFields(keyedJaggedTensor, tensor, 'tensor', 'INVALID_BAGS');
  const { keys: features, values, weights } = jagged;
  const twice = features.find((feature, i) => features.indexOf(feature) !== i);
  if (twice !== undefined) throw invalidBags('keys', twice, `the feature "${twice}" appears twice`);
  const bounds = boundsOf(jagged);
  const strides = stridesOf(jagged, bounds.length - 1);
  const inverses = inversesOf(jagged);
  const checkedWeights = weightsOf('values', weights, values.length);
  const bags: Record<string, KeyedBags[string]> = Object.create(null);
  let first = 0;
  for (const [i, feature] of features.entries()) {
    const own = bounds.subarray(first, first + strides[i] + 1);
    const [begin, end] = [own[0], own[strides[i]]];
    bags[feature] = {
      keys: values.subarray(begin, end),
      offsets: own.map((offset) => offset - begin),
      includeLastOffset: true,
      weights: checkedWeights?.subarray(begin, end),
      inverse: inverses?.[i],
    };
    first += strides[i];
  }
  return bags;
}

/** Where bags begin and end, u32 [bags + 1], from lengths or from offsets. If both are given, they must agree. */
function boundsOf({ values, lengths, offsets }: KeyedJagged): Uint32Array {
  const byOffsets = (): Uint32Array =>
    offsetsOf('values', { keys: values, offsets, includeLastOffset: true });
  if (lengths === undefined) return byOffsets();
  const bounds = offsetsOf('values', { keys: values, lengths });
  if (offsets === undefined) return bounds;
  const others = byOffsets();
  const place = others.findIndex((offset, i) => offset !== bounds[i]);
  if (place >= 0)
    throw invalidAt(
      'INVALID_OFFSETS',
      'offsets',
      place,
      others[place],
      `must be ${bounds[place]} according to the lengths`,
    );
  if (others.length === bounds.length) return bounds;
  const problem = `${others.length} offsets for ${bounds.length - 1} lengths; give one offset more than lengths`;
  throw new FlexemrError('INVALID_OFFSETS', problem, { field: 'offsets', position: others.length });
}

/** The inverse of each feature. Its elements are checked with the bags. */
function inversesOf({ keys: features, inverse }: KeyedJagged): Bags['inverse'][] | undefined {
  if (inverse === undefined) return undefined;
  const results = inverse.length / features.length;
  if (isTypedArray(inverse) || Array.isArray(inverse)) {
    if (Number.isInteger(results))
      return features.map((_, i) => inverse.slice(i * results, (i + 1) * results) as Bags['inverse']);
  }
  const problem = `must be an array of as many results for each of the ${features.length} features`;
  throw invalidBags('inverse', inverse, `inverse ${problem}`);
}

/** Number of bags of each feature. @param bags of all features */
function stridesOf({ keys: features, strides }: KeyedJagged, bags: number): readonly number[] {
  if (strides === undefined) {
    const each = bags / features.length;
    if (Number.isInteger(each)) return features.map(() => each);
    const problem = `${bags} bags cannot be divided equally among ${features.length} features`;
    throw invalidBags('lengths', bags, `${problem}; give features × bags lengths, or give strides`);
  }
  if (strides.length !== features.length)
    throw invalidBags(
      'strides',
      strides,
      `strides must be ${features.length} numbers of bags, one per feature`,
    );
  let sum = 0;
  for (const [i, stride] of strides.entries()) {
    if (!Number.isInteger(stride) || stride < 0)
      throw invalidAt('INVALID_BAGS', 'strides', i, stride, 'is not a number of bags');
    sum += stride;
  }
  if (sum === bags) return strides;
  throw invalidBags('strides', sum, `strides add up to ${sum} bags, but there are ${bags}`);
}

function invalidBags(field: string, value: unknown, message: string): FlexemrError {
  return new FlexemrError('INVALID_BAGS', message, { field, value });
}
