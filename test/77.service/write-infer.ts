// Writes requests of the Open Inference Protocol, in any of the forms that the protocol allows.
import fc from 'fast-check';
import type { DrawnBags, DrawnRequest } from './drawn-requests.ts';
import { signature } from './fake-scoring.ts';

const integerArrays = {
  UINT8: Uint8Array,
  INT8: Int8Array,
  UINT16: Uint16Array,
  INT16: Int16Array,
  UINT32: Uint32Array,
  INT32: Int32Array,
  UINT64: BigUint64Array,
  INT64: BigInt64Array,
} as const;
type IntegerType = keyof typeof integerArrays;

/** A tensor before it is written. */
interface Loose {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of integers or of f32. */
  readonly values: readonly bigint[] | Float32Array;
}

/** What a test may choose, again and again. */
export interface Choices {
  /** @returns a number from 0 to `count` − 1 */
  pick(count: number): number;
}

export const choices: fc.Arbitrary<Choices> = fc
  .infiniteStream(fc.nat())
  .map((stream) => ({ pick: (count) => stream.next().value % count }));

/** The same choice every time. */
export const first: Choices = { pick: () => 0 };

export interface WrittenInput {
  name: string;
  datatype: string;
  shape: number[];
  parameters?: { binary_data_size: number };
  data?: unknown;
}

/** A request, and the bytes that follow it. */
export interface WrittenInfer {
  readonly json: {
    id?: string | undefined;
    parameters?: object;
    inputs: WrittenInput[];
    outputs?: object[] | undefined;
  };
  /** Undefined: all tensors are JSON. */
  readonly binary: Buffer | undefined;
}

/** @param form how tensors are written; default: each by choice */
export function writeInfer(request: DrawnRequest, by: Choices, form?: 'json' | 'binary'): WrittenInfer {
  const loose = [
    ...signature.features.flatMap(({ name }, i) => bagTensors(name, request.features[i], by)),
    ...signature.dense.map(({ name, width }, i) => denseTensor(name, width, request.dense[i], by)),
  ];
  // Tensors may come in any order.
  for (let i = loose.length - 1; i > 0; i--) {
    const other = by.pick(i + 1);
    [loose[i], loose[other]] = [loose[other], loose[i]];
  }
  const bytes: Buffer[] = [];
  const inputs = loose.map((tensor) => {
    const isBinary = form === undefined ? by.pick(2) === 1 : form === 'binary';
    return tensor.values instanceof Float32Array
      ? floatInput(tensor, tensor.values, isBinary, by, bytes)
      : integerInput(tensor, tensor.values, isBinary, by, bytes);
  });
  return { json: { inputs }, binary: bytes.length > 0 ? Buffer.concat(bytes) : undefined };
}

/** The body and the headers of a request. */
export function bodyOf({ json, binary }: WrittenInfer): { payload: Buffer; headers: Record<string, string> } {
  const text = Buffer.from(JSON.stringify(json));
  if (binary === undefined) return { payload: text, headers: { 'content-type': 'application/json' } };
  return {
    payload: Buffer.concat([text, binary]),
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(text.length),
    },
  };
}

function bagTensors(name: string, { bags, weights, inverse }: DrawnBags, by: Choices): Loose[] {
  const list = (part: string, values: readonly bigint[] | Float32Array): Loose => ({
    name: `${name}__${part}`,
    shape: by.pick(2) === 0 ? [values.length] : [1, values.length],
    values,
  });
  const keys = bags.flat();
  const length = bags[0].length;
  const isEven = !weights && !inverse && bags.every((bag) => bag.length === length);
  if (isEven && by.pick(2) === 1) {
    const shape = length === 1 && by.pick(2) === 1 ? [bags.length] : [bags.length, length];
    return [{ name, shape, values: keys }];
  }
  const lengths = bags.map((bag) => BigInt(bag.length));
  const offsets = [0n];
  for (const each of lengths) offsets.push(offsets[offsets.length - 1] + each);
  return [
    list('values', keys),
    by.pick(2) === 0 ? list('offsets', offsets) : list('lengths', lengths),
    ...(weights ? [list('weights', weights)] : []),
    ...(inverse ? [list('inverse', inverse.map(BigInt))] : []),
  ];
}

function denseTensor(name: string, width: number, values: Float32Array, by: Choices): Loose {
  const rows = values.length / width;
  const isFlat = (rows === 1 || width === 1) && by.pick(2) === 1;
  return { name, shape: isFlat ? [values.length] : [rows, width], values };
}

/** Datatypes that can hold all values. Signed 64 bits can hold u64 too, with the same bits. */
function integerTypes(values: readonly bigint[]): IntegerType[] {
  return (Object.keys(integerArrays) as IntegerType[]).filter((type) => {
    const array = integerArrays[type];
    if (array === BigInt64Array || array === BigUint64Array) return true;
    const one = new array(1);
    return values.every((value) => {
      one[0] = Number(value);
      return one[0] === Number(value);
    });
  });
}

function integerInput(
  { name, shape }: Loose,
  values: readonly bigint[],
  isBinary: boolean,
  by: Choices,
  bytes: Buffer[],
): WrittenInput {
  const types = integerTypes(values);
  const datatype = types[by.pick(types.length)];
  const Kind = integerArrays[datatype];
  const isWide = Kind === BigInt64Array || Kind === BigUint64Array;
  const held =
    Kind === BigInt64Array || Kind === BigUint64Array
      ? Kind.from(values)
      : (Kind as typeof Int8Array).from(values, Number);
  const input = { name, datatype, shape: [...shape] };
  if (isBinary) return { ...input, parameters: addBytes(held, bytes) };
  const written = Array.from<number | bigint, unknown>(held, (value) => {
    const isExact = Number.isSafeInteger(Number(value));
    return isExact && !(isWide && by.pick(4) === 0) ? Number(value) : String(value);
  });
  return { ...input, data: nested(written, shape, by) };
}

function floatInput(
  { name, shape }: Loose,
  values: Float32Array,
  isBinary: boolean,
  by: Choices,
  bytes: Buffer[],
): WrittenInput {
  const isHalf = isBinary && values.every((value) => Object.is(new Float16Array([value])[0], value));
  const types = isHalf ? ['FP16', 'FP32', 'FP64'] : ['FP32', 'FP64'];
  const datatype = types[by.pick(types.length)];
  const input = { name, datatype, shape: [...shape] };
  if (!isBinary) {
    // JSON.stringify would write −0 as 0.
    const written = Array.from(values, (value) => (Object.is(value, -0) ? rawJson('-0.0') : value));
    return { ...input, data: nested(written, shape, by) };
  }
  const held =
    datatype === 'FP16'
      ? Float16Array.from(values)
      : datatype === 'FP64'
        ? Float64Array.from(values)
        : values;
  return { ...input, parameters: addBytes(held, bytes) };
}

/** A value that JSON.stringify writes as this text. */
export function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
}

function addBytes(values: ArrayBufferView, bytes: Buffer[]): { binary_data_size: number } {
  bytes.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return { binary_data_size: values.byteLength };
}

/** Data as it is, or nested as the shape says. */
function nested(values: unknown[], shape: readonly number[], by: Choices): unknown[] {
  if (shape.length < 2 || by.pick(2) === 0) return values;
  const [rows, width] = shape;
  return Array.from({ length: rows }, (_, row) => values.slice(row * width, (row + 1) * width));
}
