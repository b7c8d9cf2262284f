import { show } from '../errors.ts';
import { halfToNumber } from '../kernel/reference.ts';
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import {
  binaryOf,
  type FloatType,
  flatten,
  floatTypes,
  type Tensor,
  wrongDatatype,
  wrongInput,
} from './tensor.ts';

const elementBytes = { FP16: 2, FP32: 4, FP64: 8 };

/** The floats of a tensor as f32. @throws INVALID_BAGS */
export async function floatsOf(tensor: Tensor, slices: Slices): Promise<Float32Array> {
  const { datatype, data } = tensor;
  if (!isFloat(datatype)) throw wrongDatatype(tensor, floatTypes);
  if (data instanceof Uint8Array) {
    const binary = await binaryOf(tensor, elementBytes[datatype], slices);
    if (datatype === 'FP32') return new Float32Array(...binary);
    return datatype === 'FP64'
      ? await roundedOf(tensor, new Float64Array(...binary), slices)
      : await widenedOf(new Uint16Array(...binary), slices);
  }
  if (datatype === 'FP16') {
    throw wrongInput(tensor, 'FP16 has no form in JSON: send it as binary data, or send FP32');
  }
  return await roundedOf(tensor, await flatten(tensor, data, slices), slices);
}

function isFloat(datatype: Tensor['datatype']): datatype is FloatType {
  return datatype in elementBytes;
}

/** Rounds numbers to f32. */
async function roundedOf(tensor: Tensor, values: ArrayLike<unknown>, slices: Slices): Promise<Float32Array> {
  const isJson = !ArrayBuffer.isView(values);
  const floats = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    const value = values[i];
    if (typeof value !== 'number') throw wrongInput(tensor, `${show(value)} is not a number`, i, value);
    floats[i] = value;
    // Binary data may have an infinity, but a finite number must not become one.
    if (!Number.isFinite(floats[i]) && (isJson || Number.isFinite(value)))
      throw wrongInput(tensor, `${show(value)} is too large for 32 bits`, i, value);
  }
  return floats;
}

async function widenedOf(halves: Uint16Array, slices: Slices): Promise<Float32Array> {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    if (i % elementsAtOnce === 0) await slices.pause();
    floats[i] = halfToNumber(halves[i]);
  }
  return floats;
}
