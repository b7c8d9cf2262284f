// Checks bags before they go to the kernels. Every array is checked; arrays of the right type are not copied.
import { FlexemrError, invalidAt, show } from '../errors.ts';
import { bagsMax, keysMax, numberKeyMax } from '../limits.ts';
import type { Bags, Counts, Keys, NumberArray } from './bags.ts';
import type { TableMode } from './table-spec.ts';

/** Bags that passed every check, in the form that kernels take. */
export interface CheckedBags {
  /** Row-keyed: u32 or u64 as given (the kernel checks them against the table). Indexed: u64. */
  readonly keys: Uint32Array | BigUint64Array | BigInt64Array;
  /** u32 [bags + 1], not decreasing, from 0 to keys.length. */
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
  /** u32 [results]: the bag of each result; undefined: result i is of bag i. */
  readonly inverse: Uint32Array | undefined;
}

/**
 * Checks the bags of one feature, and widens or narrows its arrays.
 * @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED
 */
export function checkBags(feature: string, bags: Bags, indexed: boolean, mode: TableMode): CheckedBags {
  const keyCount = countKeys(feature, bags);
  const offsets = offsetsOf(feature, bags);
  const keys = keysOf(feature, bags.keys, indexed);
  const weights = weightsOf(feature, bags.weights, keyCount);
  return { offsets, keys, weights, inverse: inverseOf(feature, bags.inverse, offsets.length - 1, mode) };
}

/** The number of keys. @throws INVALID_BAGS, LIMIT_EXCEEDED */
export function countKeys(feature: string, bags: Bags): number {
  if (bags === null || typeof bags !== 'object' || !isArray(bags.keys)) {
    const message = `${feature}: give { keys, offsets } or { keys, lengths } with keys as an array`;
    throw new FlexemrError('INVALID_BAGS', message, { field: `${feature}.keys`, value: bags });
  }
  const keyCount = bags.keys.length;
  if (keyCount <= keysMax) return keyCount;
  const message = `${feature}: ${keyCount} keys in one lookup; at most ${keysMax}, so split the batch`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: `${feature}.keys`, value: keyCount });
}

/** Keys in the form that kernels take. 64-bit arrays and u32 row numbers are returned as they are. @throws INVALID_KEY */
export function keysOf(feature: string, keys: Keys, indexed: boolean): CheckedBags['keys'] {
  return indexed ? idsOf(feature, keys) : rowsOf(feature, keys);
}

/** The bag of each result as u32. @throws INVALID_BAGS, LIMIT_EXCEEDED */
export function inverseOf(
  feature: string,
  inverse: Bags['inverse'],
  bags: number,
  mode: TableMode,
): Uint32Array | undefined {
  if (inverse === undefined) return undefined;
  const field = `${feature}.inverse`;
  if (!isArray(inverse) || mode === 'none') {
    const problem =
      mode === 'none' ? 'is for bags that are pooled' : 'must be an array with a bag for each result';
    throw new FlexemrError('INVALID_BAGS', `${field} ${problem}`, { field, value: inverse });
  }
  if (inverse.length > bagsMax) {
    const message = `${field}: ${inverse.length} results in one lookup; at most ${bagsMax}, so split the batch`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field, value: inverse.length });
  }
  const own = inverse instanceof Uint32Array ? inverse : new Uint32Array(inverse.length);
  for (let i = 0; i < inverse.length; i++) {
    const bag = inverse[i];
    if (Number.isInteger(Number(bag)) && bag >= 0 && bag < bags) own[i] = Number(bag);
    else throw invalidAt('INVALID_BAGS', field, i, bag, `is not one of the ${bags} bags`);
  }
  return own;
}

function isArray(value: unknown): boolean {
  return Array.isArray(value) || isTypedArray(value);
}

export function isTypedArray(value: unknown): boolean {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** u32 [bags + 1] from offsets or lengths. @throws INVALID_BAGS, INVALID_OFFSETS, LIMIT_EXCEEDED */
export function offsetsOf(feature: string, { keys, offsets, lengths, includeLastOffset }: Bags): Uint32Array {
  const given = offsets ?? lengths;
  const field = `${feature}.${offsets === undefined ? 'lengths' : 'offsets'}`;
  if (given === undefined || (offsets !== undefined && lengths !== undefined) || !isArray(given)) {
    const message = `${feature}: give either offsets or lengths, as an array`;
    throw new FlexemrError('INVALID_BAGS', message, { field: `${feature}.offsets`, value: given });
  }
  const bags = given.length - (offsets !== undefined && includeLastOffset ? 1 : 0);
  if (bags < 0) {
    const message = `${field} is empty: with includeLastOffset it must have one entry more than there are bags`;
    throw new FlexemrError('INVALID_OFFSETS', message, { field, position: 0 });
  }
  if (bags > bagsMax) {
    const message = `${feature}: ${bags} bags in one lookup; at most ${bagsMax}, so split the batch`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field, value: bags });
  }
  return offsets === undefined
    ? addLengths(field, given, keys.length)
    : checkOffsets(field, given, bags, keys.length);
}

function addLengths(field: string, lengths: Counts, keyCount: number): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) {
    const end = offsets[i] + countAt(field, lengths, i, 'is not a number of keys');
    if (end > keyCount) throw badCount(field, lengths, i, `makes the bags end past the ${keyCount} keys`);
    offsets[i + 1] = end;
  }
  const end = offsets[lengths.length];
  if (end === keyCount) return offsets;
  throw badCount(
    field,
    lengths,
    lengths.length - 1,
    `ends the last bag at key ${end}, but there are ${keyCount} keys`,
  );
}

/**
 * Offsets as u32 [bags + 1].
 * @param given one offset per bag, and optionally one more: the end of the last bag, which must be the number of keys.
 * PyTorch silently ignores keys after the end of the last bag; here they are an error.
 * @throws INVALID_OFFSETS
 */
export function checkOffsets(field: string, given: Counts, bags: number, keyCount: number): Uint32Array {
  const offsets = new Uint32Array(bags + 1);
  offsets[bags] = keyCount;
  let previous = 0;
  for (let i = 0; i < given.length; i++) {
    const offset = countAt(field, given, i, 'is not a position in the keys');
    if (i === 0 && offset !== 0)
      throw badCount(field, given, i, 'must be 0: the first bag starts at the first key');
    if (offset < previous) throw badCount(field, given, i, `is less than the one before it (${previous})`);
    if (offset > keyCount) throw badCount(field, given, i, `is past the end of the ${keyCount} keys`);
    offsets[i] = offset;
    previous = offset;
  }
  if (offsets[bags] === keyCount && (bags > 0 || keyCount === 0)) return offsets;
  throw badCount(
    field,
    given,
    bags,
    `is the end of the last bag, but there are ${keyCount} keys: each key needs a bag`,
  );
}

function countAt(field: string, counts: Counts, position: number, problem: string): number {
  const given = counts[position];
  const count = typeof given === 'bigint' ? Number(given) : given;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0)
    throw badCount(field, counts, position, problem);
  return count;
}

function badCount(field: string, counts: Counts, position: number, problem: string): FlexemrError {
  return invalidAt('INVALID_OFFSETS', field, Math.max(0, position), counts[position], problem);
}

/** One f32 weight per key. @throws INVALID_WEIGHTS */
export function weightsOf(
  feature: string,
  weights: NumberArray | undefined,
  keyCount: number,
): Float32Array | undefined {
  if (weights === undefined) return undefined;
  const field = `${feature}.weights`;
  if (!isArray(weights)) {
    const message = `${field} must be an array of numbers, not ${show(weights)}`;
    throw new FlexemrError('INVALID_WEIGHTS', message, { field, value: weights });
  }
  if (weights.length !== keyCount) {
    const message = `${feature}: ${weights.length} weights for ${keyCount} keys; give one per key`;
    const position = Math.min(weights.length, keyCount);
    throw new FlexemrError('INVALID_WEIGHTS', message, { field, position, value: weights.length });
  }
  if (weights instanceof Float32Array) return weights;
  for (let i = 0; i < weights.length; i++) {
    if (typeof weights[i] !== 'number')
      throw invalidAt('INVALID_WEIGHTS', field, i, weights[i], 'is not a number');
  }
  return Float32Array.from(weights);
}

/** Row numbers. u32 and 64-bit arrays are returned as they are; all others are checked and copied. */
function rowsOf(feature: string, keys: Keys): Uint32Array | BigUint64Array | BigInt64Array {
  if (keys instanceof Uint32Array || isWide(keys)) return keys;
  const rows = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const row = keys[i];
    // A row number reads back unchanged from a u32; NaN, −1, 0.5 and 2^32 do not.
    if (typeof row === 'number') rows[i] = row;
    if (rows[i] !== row)
      throw badKey(feature, i, row, 'is not a row number: an integer from 0 to 4294967295');
  }
  return rows;
}

/** u64 ids. 64-bit arrays are returned as they are; all others are checked and copied. */
function idsOf(feature: string, keys: Keys): BigUint64Array | BigInt64Array {
  if (isWide(keys)) return keys;
  const ids = new BigUint64Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const id = keys[i];
    if (!Number.isInteger(id) || id < 0 || id > numberKeyMax) {
      const problem = 'is not an id: an integer from 0 to 2^53 − 1, or an element of a 64-bit array';
      throw badKey(feature, i, id, problem);
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
  return invalidAt('INVALID_KEY', `${feature}.keys`, position, value, problem);
}
