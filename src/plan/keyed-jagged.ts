import { FlexemrError } from '../errors.ts';
import type { Counts, KeyedBags, Keys, NumberArray } from './bags.ts';
import { offsetsOf, weightsOf } from './checked-bags.ts';

/** TorchRec's KeyedJaggedTensor: features one after the other, each with the same number of bags. */
export interface KeyedJagged {
  /** Feature names. */
  readonly keys: readonly string[];
  readonly values: Exclude<Keys, readonly number[]>;
  readonly weights?: NumberArray | undefined;
  /** [features × bags], feature-major. */
  readonly lengths?: Counts | undefined;
  /** [features × bags + 1]. */
  readonly offsets?: Counts | undefined;
}

/** The bags of a KeyedJaggedTensor by feature, as views of its values. @throws INVALID_BAGS, INVALID_OFFSETS, INVALID_WEIGHTS */
export function keyedJagged({ keys: features, values, weights, lengths, offsets }: KeyedJagged): KeyedBags {
  if (!ArrayBuffer.isView(values)) throw invalidBags('values', values, 'values must be a typed array');
  const twice = features.find((feature, i) => features.indexOf(feature) !== i);
  if (twice !== undefined) throw invalidBags('keys', twice, `the feature "${twice}" is there twice`);
  const bounds = offsetsOf('values', { keys: values, lengths, offsets, includeLastOffset: true });
  const bags = (bounds.length - 1) / features.length;
  if (!Number.isInteger(bags)) {
    const problem = `${bounds.length - 1} lengths cannot be shared out among ${features.length} features`;
    throw invalidBags('lengths', bounds.length - 1, `${problem}; give features × bags of them`);
  }
  const checkedWeights = weightsOf('values', weights, values.length);
  return Object.fromEntries(
    features.map((feature, i) => {
      const own = bounds.subarray(i * bags, (i + 1) * bags + 1);
      const [begin, end] = [own[0], own[bags]];
      const view = {
        keys: values.subarray(begin, end),
        offsets: own.map((offset) => offset - begin),
        includeLastOffset: true,
        weights: checkedWeights?.subarray(begin, end),
      };
      return [feature, view];
    }),
  );
}

function invalidBags(field: string, value: unknown, message: string): FlexemrError {
  return new FlexemrError('INVALID_BAGS', message, { field, value });
}
