import { type FlexemrError, show } from '../errors.ts';
import { integerOf } from '../plan/json-key.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import {
  binaryOf,
  flatten,
  type IntegerType,
  integerTypes,
  type Tensor,
  wrongDatatype,
  wrongInput,
} from './tensor.ts';

type NarrowIntegers = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;
type WideIntegers = BigUint64Array | BigInt64Array;
export type Integers = NarrowIntegers | WideIntegers;

const arrays = {
  UINT8: Uint8Array,
  INT8: Int8Array,
  UINT16: Uint16Array,
  INT16: Int16Array,
  UINT32: Uint32Array,
  INT32: Int32Array,
  UINT64: BigUint64Array,
  INT64: BigInt64Array,
};

/** The integers of a tensor. @throws INVALID_BAGS */
export async function integersOf(tensor: Tensor, slices: Slices): Promise<Integers> {
  const { datatype, data } = tensor;
  if (!isInteger(datatype)) throw wrongDatatype(tensor, integerTypes);
  const Kind = arrays[datatype];
  if (data instanceof Uint8Array)
    return new Kind(...(await binaryOf(tensor, Kind.BYTES_PER_ELEMENT, slices)));
  const values = await flatten(tensor, data, slices);
  return Kind === BigInt64Array || Kind === BigUint64Array
    ? await wideOf(tensor, values, new Kind(values.length), slices)
    : await narrowOf(tensor, values, new Kind(values.length) as NarrowIntegers, slices);
}

function isInteger(datatype: Tensor['datatype']): datatype is IntegerType {
  return datatype in arrays;
}

async function narrowOf<T extends NarrowIntegers>(
  tensor: Tensor,
  values: readonly unknown[],
  integers: T,
  slices: Slices,
): Promise<T> {
  for (let i = 0; i < values.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    const value = values[i];
    if (typeof value === 'number') integers[i] = value;
    if (integers[i] !== value) throw noInteger(tensor, i, value);
  }
  return integers;
}

async function wideOf<T extends WideIntegers>(
  tensor: Tensor,
  values: readonly unknown[],
  integers: T,
  slices: Slices,
): Promise<T> {
  for (let i = 0; i < values.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    const value = integerOf(values[i]);
    if (value !== undefined) integers[i] = value;
    if (integers[i] !== value) throw noInteger(tensor, i, values[i]);
  }
  return integers;
}

function noInteger(tensor: Tensor, position: number, value: unknown): FlexemrError {
  const isInexact = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  const problem =
    isInexact && tensor.datatype.endsWith('64')
      ? `${show(value)} is above 2^53 − 1, so JSON readers round it: send it as a decimal string, or the tensor as binary data`
      : `${show(value)} is not a value of ${tensor.datatype}`;
  return wrongInput(tensor, problem, position, value);
}
