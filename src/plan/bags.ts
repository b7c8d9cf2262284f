// Keyed bags: what a caller looks up, in PyTorch's convention (keys and offsets a feature) or TorchRec's (one
// jagged tensor over all features), and the checks that turn them into what kernels take.
import { FlexemrError } from '../errors.ts';
import { bagsMax, keysMax, numberKeyMax } from '../limits.ts';

type NumberArray =
  | readonly number[]
  | Uint8Array
  | Uint16Array
  | Int8Array
  | Int16Array
  | Float32Array
  | Float64Array;

/** Row numbers or u64 ids. Signed 64-bit ids stand for the u64 of the same bits. */
export type Keys = NumberArray | Uint32Array | Int32Array | BigUint64Array | BigInt64Array;

/** Offsets or lengths, one a bag. */
export type Counts = NumberArray | Uint32Array | Int32Array | BigUint64Array | BigInt64Array;

/** The bags of one feature. Give offsets (PyTorch) or lengths (TorchRec). */
export interface Bags {
  readonly keys: Keys;
  /** Where each bag starts in `keys`; the last bag ends with the keys. */
  readonly offsets?: Counts | undefined;
  /** `offsets` has one more entry: where the last bag ends. */
  readonly includeLastOffset?: boolean | undefined;
  /** How many keys each bag has. */
  readonly lengths?: Counts | undefined;
  /** One weight a key. */
  readonly weights?: NumberArray | undefined;
  /** The table to look up; by default the one named as the feature. */
  readonly table?: string | undefined;
}

/** Bags by feature. */
export type KeyedBags = Readonly<Record<string, Bags>>;

/** TorchRec's KeyedJaggedTensor: features one after the other, each with the same number of bags. */
export interface KeyedJagged {
  /** Feature names. */
  readonly keys: readonly string[];
  readonly values: Exclude<Keys, readonly number[]>;
  readonly weights?: Float32Array | undefined;
  /** [features × bags], feature-major. */
  readonly lengths?: Counts | undefined;
  /** [features × bags + 1]. */
  readonly offsets?: Counts | undefined;
}

/** The bags of a KeyedJaggedTensor by feature, as views of its values. @throws INVALID_BAGS, INVALID_OFFSETS */
export function keyedJagged(tensor: KeyedJagged): KeyedBags {
  const { keys: features, values, weights } = tensor;
  const offsets = offsetsOf('values', {
    keys: values,
    lengths: tensor.lengths,
    offsets: tensor.offsets,
    includeLastOffset: true,
  });
  const bags = (offsets.length - 1) / features.length;
  if (!Number.isInteger(bags)) {
    throw new FlexemrError(
      'INVALID_BAGS',
      `${offsets.length - 1} lengths cannot be shared out among ${features.length} features; give features × bags of them`,
      { field: 'lengths', value: offsets.length - 1 },
    );
  }
  if (weights && weights.length !== values.length)
    throw badWeightCount('values', weights.length, values.length);
  return Object.fromEntries(
    features.map((feature, i) => {
      const own = offsets.subarray(i * bags, (i + 1) * bags + 1);
      const [begin, end] = [own[0], own[bags]];
      const view = {
        keys: values.subarray(begin, end),
        offsets: own.map((offset) => offset - begin),
        includeLastOffset: true,
        weights: weights?.subarray(begin, end),
      };
      return [feature, view];
    }),
  );
}

/** Bags that passed every check, in the form kernels take. */
export interface CheckedBags {
  /** Row-keyed: u32 or u64 as given (the kernel checks them against the table). Indexed: u64. */
  readonly keys: Uint32Array | BigUint64Array | BigInt64Array;
  /** u32 [bags + 1], not decreasing, from 0, ending at or before keys.length. */
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
}

/**
 * Checks the bags of one feature, and widens or narrows its arrays; nothing is copied that fits already.
 * @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED
 */
export function checkBags(feature: string, bags: Bags, indexed: boolean): CheckedBags {
  if (bags === null || typeof bags !== 'object' || !isArray(bags.keys)) {
    throw new FlexemrError(
      'INVALID_BAGS',
      `${feature}: give { keys, offsets } or { keys, lengths } with keys as an array`,
      {
        field: `${feature}.keys`,
        value: bags,
      },
    );
  }
  const keyCount = bags.keys.length;
  if (keyCount > keysMax) {
    throw new FlexemrError(
      'LIMIT_EXCEEDED',
      `${feature}: ${keyCount} keys in one lookup; at most ${keysMax}, so split the batch`,
      {
        field: `${feature}.keys`,
        value: keyCount,
      },
    );
  }
  const offsets = offsetsOf(feature, bags);
  return {
    keys: indexed ? checkIds(feature, bags.keys) : checkRows(feature, bags.keys),
    offsets,
    weights: bags.weights === undefined ? undefined : checkWeights(feature, bags.weights, keyCount),
  };
}

function isArray(value: unknown): boolean {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** u32 [bags + 1] from offsets or lengths. */
function offsetsOf(feature: string, bags: Bags): Uint32Array {
  const { keys, offsets, lengths, includeLastOffset } = bags;
  if ((offsets === undefined) === (lengths === undefined) || !isArray(offsets ?? lengths)) {
    throw new FlexemrError(
      'INVALID_BAGS',
      `${feature}: give offsets or lengths, one of the two, as an array`,
      {
        field: `${feature}.offsets`,
      },
    );
  }
  const given = (offsets ?? lengths) as Counts;
  const ends = lengths !== undefined ? given.length : given.length - (includeLastOffset ? 1 : 0);
  if (ends < 0 || ends > bagsMax) {
    const message =
      ends < 0
        ? 'offsets with the last one included need at least one entry'
        : `${ends} bags in one lookup; at most ${bagsMax}`;
    throw new FlexemrError(ends < 0 ? 'INVALID_OFFSETS' : 'LIMIT_EXCEEDED', `${feature}: ${message}`, {
      field: `${feature}.offsets`,
      position: 0,
      value: ends,
    });
  }
  return lengths !== undefined
    ? addLengths(feature, lengths, keys.length)
    : checkOffsets(`${feature}.offsets`, given, ends, keys.length);
}

function addLengths(feature: string, lengths: Counts, keyCount: number): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) {
    const length = Number(lengths[i]);
    if (!Number.isInteger(length) || length < 0) {
      throw badOffset(`${feature}.lengths`, i, lengths[i], 'is not a number of keys');
    }
    if (offsets[i] + length > keyCount) {
      throw badOffset(`${feature}.lengths`, i, lengths[i], `takes the bags past the ${keyCount} keys`);
    }
    offsets[i + 1] = offsets[i] + length;
  }
  if (offsets[lengths.length] !== keyCount) {
    const last = lengths.length - 1;
    const problem = `ends the bags at key ${offsets[last + 1]}, but there are ${keyCount} keys`;
    throw badOffset(`${feature}.lengths`, Math.max(0, last), lengths[last], problem);
  }
  return offsets;
}

/** Offsets as u32 [bags + 1], checked. @throws INVALID_OFFSETS */
export function checkOffsets(field: string, given: Counts, bags: number, keyCount: number): Uint32Array {
  const offsets = new Uint32Array(bags + 1);
  offsets[bags] = keyCount;
  let previous = 0;
  for (let i = 0; i < given.length; i++) {
    const offset = Number(given[i]);
    if (!Number.isInteger(offset) || offset < 0)
      throw badOffset(field, i, given[i], 'is not a position in the keys');
    if (i === 0 && offset !== 0)
      throw badOffset(field, i, given[i], 'must be 0: the first bag starts with the keys');
    if (offset < previous)
      throw badOffset(field, i, given[i], `is less than the one before it (${previous})`);
    if (offset > keyCount) throw badOffset(field, i, given[i], `is past the end of the ${keyCount} keys`);
    offsets[i] = offset;
    previous = offset;
  }
  return offsets;
}

function badOffset(field: string, position: number, value: unknown, problem: string): FlexemrError {
  return new FlexemrError('INVALID_OFFSETS', `${field}[${position}] = ${String(value)} ${problem}`, {
    field,
    position,
    value,
  });
}

function checkWeights(feature: string, weights: NumberArray, keyCount: number): Float32Array {
  if (!isArray(weights)) {
    throw new FlexemrError('INVALID_WEIGHTS', `${feature}: weights must be an array of numbers`, {
      field: `${feature}.weights`,
      value: weights,
    });
  }
  if (weights.length !== keyCount) throw badWeightCount(feature, weights.length, keyCount);
  if (weights instanceof Float32Array) return weights;
  for (let i = 0; i < weights.length; i++) {
    if (typeof weights[i] === 'number') continue;
    throw new FlexemrError(
      'INVALID_WEIGHTS',
      `${feature}.weights[${i}] = ${String(weights[i])} is not a number`,
      {
        field: `${feature}.weights`,
        position: i,
        value: weights[i],
      },
    );
  }
  return Float32Array.from(weights);
}

function badWeightCount(feature: string, weights: number, keys: number): FlexemrError {
  return new FlexemrError(
    'INVALID_WEIGHTS',
    `${feature}: ${weights} weights for ${keys} keys; give one a key`,
    {
      field: `${feature}.weights`,
      position: Math.min(weights, keys),
      value: weights,
    },
  );
}

/** Row numbers: u32 and 64-bit arrays pass as they are, everything else is looked at here. */
function checkRows(feature: string, keys: Keys): Uint32Array | BigUint64Array | BigInt64Array {
  if (keys instanceof Uint32Array || isWide(keys)) return keys;
  const rows = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const row = keys[i];
    rows[i] = row;
    // A u32 reads back as the number it was written from; NaN, −1, 0.5, 2^32, a bigint or a string do not.
    if (rows[i] !== row)
      throw badKey(feature, i, row, 'is not a row number: an integer from 0 to 4294967295');
  }
  return rows;
}

/** u64 ids: 64-bit arrays pass as they are. */
function checkIds(feature: string, keys: Keys): BigUint64Array | BigInt64Array {
  if (isWide(keys)) return keys;
  const ids = new BigUint64Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const id = keys[i];
    if (!Number.isInteger(id) || id < 0 || id > numberKeyMax) {
      throw badKey(
        feature,
        i,
        id,
        'is not an id: an integer from 0 to 2^53 − 1, or an element of a 64-bit array',
      );
    }
    ids[i] = BigInt(id);
  }
  return ids;
}

function isWide(keys: Keys): keys is BigUint64Array | BigInt64Array {
  return keys instanceof BigUint64Array || keys instanceof BigInt64Array;
}

/** The error for a key that cannot be looked up. */
export function badKey(feature: string, position: number, value: unknown, problem: string): FlexemrError {
  return new FlexemrError('INVALID_KEY', `${feature}.keys[${position}] = ${String(value)} ${problem}`, {
    field: `${feature}.keys`,
    position,
    value,
  });
}
