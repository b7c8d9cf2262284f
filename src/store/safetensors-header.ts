import * as v from 'valibot';
import type { Schema } from '../check.ts';
import type { FlexemrError } from '../errors.ts';
import { safetensorsHeaderBytesMax, safetensorsMetadataNamesMax } from '../limits.ts';
import { HeaderJson, invalidFile, prefixBytes, quote } from './header-json.ts';

/** Every dtype whose elements we can read, and the bytes of one element. */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type Dtype = keyof typeof dtypeBytes;

/** Other dtypes that a file may contain, and the bits of one element. Only the sizes of such tensors are checked. */
const otherDtypeBits = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  C64: 64,
} as const;

export type OtherDtype = keyof typeof otherDtypeBits;

export function elementBits(dtype: Dtype | OtherDtype): number {
  return isDtype(dtype) ? 8 * dtypeBytes[dtype] : otherDtypeBits[dtype];
}

export function isDtype(dtype: string): dtype is Dtype {
  return Object.hasOwn(dtypeBytes, dtype);
}

/** One tensor: row-major, little-endian, in bytes [begin, end) of the data section. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype | OtherDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Schemas of a tensor that a caller gives. Making its header checks whether a file can contain it. @internal */
export const tensorFields: {
  readonly name: Schema<string>;
  readonly dtype: Schema<TensorEntry['dtype']>;
  readonly shape: Schema<number[]>;
} = {
  name: v.string(),
  dtype: v.custom<TensorEntry['dtype']>((value) => typeof value === 'string', 'a dtype of safetensors'),
  shape: v.array(v.number()),
};

/** A checked header: tensors in header order, and `__metadata__` (if absent: an empty object without prototype). */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const metadataName = '__metadata__';

/**
 * Reads the size of the header in bytes from `prefix`, the first 8 bytes of a file of `fileBytes` bytes.
 * @throws INVALID_FILE unless it is at least 1 and at most `safetensorsHeaderBytesMax`, and the header fits in the file
 */
export function headerSize(prefix: Uint8Array, fileBytes: number, file: string): number {
  const refuse = (problem: string, value: number): FlexemrError =>
    invalidFile(file, 'header size', 0, problem, value);
  if (prefix.byteLength < prefixBytes)
    throw refuse(`the file ends after ${prefix.byteLength} bytes`, prefix.byteLength);
  const size = Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true));
  if (size === 0) throw refuse('the header is empty', size);
  if (size > safetensorsHeaderBytesMax)
    throw refuse(`a header of ${size} bytes is over the limit of ${safetensorsHeaderBytesMax}`, size);
  if (size > fileBytes - prefixBytes)
    throw refuse(`a header of ${size} bytes does not fit in a file of ${fileBytes}`, size);
  return size;
}

/**
 * Parses and checks the header of a file whose data section has `dataBytes` bytes; `file` names it in messages.
 * The tensors must cover the whole data section without gaps and overlaps.
 * @throws INVALID_FILE, with a byte of the file as `position`
 */
export function parseHeader(headerBytes: Uint8Array, dataBytes: number, file: string): SafetensorsHeader {
  const json = new HeaderJson(headerBytes, file);
  const tensors = new Map<string, TensorEntry>();
  const metadata: Record<string, string> = Object.create(null);
  if (headerBytes[0] !== 0x7b) throw json.unexpected('header', '"{" as its first byte', 0);
  json.object('header', (name) => {
    if (name === metadataName) readMetadata(json, metadata);
    else tensors.set(name, readEntry(json, name));
  });
  json.end();
  checkLayout(tensors, prefixBytes + headerBytes.byteLength, dataBytes, file);
  return { tensors, metadata };
}

function readMetadata(json: HeaderJson, metadata: Record<string, string>): void {
  let names = 0;
  json.object(metadataName, (name, at) => {
    if (++names > safetensorsMetadataNamesMax)
      throw json.invalid(metadataName, `more than ${safetensorsMetadataNamesMax} names`, names, at);
    metadata[name] = json.string(`${metadataName}.${name}`);
  });
}

function readEntry(json: HeaderJson, name: string): TensorEntry {
  const at = json.at();
  const found: { dtype?: Dtype | OtherDtype; shape?: number[]; data_offsets?: [number, number] } = {};
  json.object(name, (key, keyAt) => {
    if (key === 'dtype') found.dtype = readDtype(json, `${name}.dtype`);
    else if (key === 'shape') found.shape = json.integers(`${name}.shape`);
    else if (key === 'data_offsets') found.data_offsets = readOffsets(json, `${name}.data_offsets`);
    else throw json.invalid(name, `unknown field ${quote(key)}`, key, keyAt);
  });
  const { dtype, shape, data_offsets: offsets } = found;
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    const missing = ['dtype', 'shape', 'data_offsets'].find((key) => !Object.hasOwn(found, key));
    throw json.invalid(`${name}.${missing}`, 'missing', undefined, at);
  }
  const [begin, end] = offsets;
  const bytes = tensorBytes(dtype, shape);
  if (!Number.isSafeInteger(bytes)) {
    const problem = bytes < 2 ** 53 ? 'does not end with a whole byte' : 'takes over 2^53 - 1 bytes';
    throw json.invalid(`${name}.shape`, `${dtype} ${shapeText(shape)} ${problem}`, shape, at);
  }
  if (end - begin !== bytes) {
    const problem = `${dtype} ${shapeText(shape)} takes ${bytes} bytes, but its data has ${end - begin}`;
    throw json.invalid(name, problem, end - begin, at);
  }
  return { name, dtype, shape, begin, end };
}

/** Bytes of a tensor. Not a safe integer if a product of its first sizes is not, even if a later size is 0. */
export function tensorBytes(dtype: Dtype | OtherDtype, shape: readonly number[]): number {
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (!Number.isSafeInteger(elements)) return elements;
  }
  return (elements * elementBits(dtype)) / 8;
}

function readDtype(json: HeaderJson, field: string): Dtype | OtherDtype {
  const at = json.at();
  const dtype = json.string(field);
  if (isDtype(dtype) || Object.hasOwn(otherDtypeBits, dtype)) return dtype as Dtype | OtherDtype;
  const known = [...Object.keys(dtypeBytes), ...Object.keys(otherDtypeBits)];
  throw json.invalid(field, `unknown dtype ${quote(dtype)}; expected one of ${known}`, dtype, at);
}

function readOffsets(json: HeaderJson, field: string): [number, number] {
  const at = json.at();
  const offsets = json.integers(field);
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length > 2 || begin > end)
    throw json.invalid(field, 'must be [begin, end] with begin <= end', offsets, at);
  return [begin, end];
}

function checkLayout(
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  dataBytes: number,
  file: string,
): void {
  let covered = 0;
  for (const { name, begin, end } of inOrder(tensors)) {
    if (begin !== covered) {
      const fault = begin < covered ? 'overlaps the data' : 'leaves a gap after the data';
      const problem = `data byte ${begin} ${fault} before it, which ends at ${covered}`;
      throw invalidFile(file, `${name}.data_offsets`, dataStart + begin, problem, begin);
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    const problem = `the tensors take ${covered} bytes of data, but the file has ${dataBytes}`;
    throw invalidFile(file, 'data', dataStart + Math.min(covered, dataBytes), problem, dataBytes);
  }
}

/** Tensors in the order of their data. Most writers list them in this order already. */
function inOrder(tensors: ReadonlyMap<string, TensorEntry>): TensorEntry[] {
  const entries = [...tensors.values()];
  const follows = (a: TensorEntry, b: TensorEntry): number => a.begin - b.begin || a.end - b.end;
  return entries.some((entry, i) => i > 0 && follows(entries[i - 1], entry) > 0)
    ? entries.sort(follows)
    : entries;
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.slice(0, 8).join(', ')}${shape.length > 8 ? ', …' : ''}]`;
}
