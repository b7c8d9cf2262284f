import { FlexemrError } from '../errors.ts';
import { safetensorsHeaderBytesMax } from '../limits.ts';

/** Bytes of the little-endian u64 that opens a file and says how long the header is. */
export const prefixBytes = 8;

/** Every dtype we read, and the bytes of one element. */
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

/** One tensor: row-major, little-endian, in bytes [begin, end) of the data section. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked header: tensors in header order, and `__metadata__` (empty, without prototype, if absent). */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const metadataName = '__metadata__';

/** V8 fails or stalls on objects of some 8 million names, and a header has room for more. */
const metadataNamesMax = 65_536;

/**
 * The size of the header in bytes, from the first 8 bytes of a file of `fileBytes` bytes: at least 1, at most
 * `safetensorsHeaderBytesMax`, and inside the file. Throws INVALID_FILE.
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
 * Tensors must tile the data section: no gap, no overlap, nothing before, nothing after.
 * Throws INVALID_FILE, its `position` a byte of the file.
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
    if (++names > metadataNamesMax)
      throw json.invalid(metadataName, `more than ${metadataNamesMax} names`, names, at);
    metadata[name] = json.string(`${metadataName}.${name}`);
  });
}

function readEntry(json: HeaderJson, name: string): TensorEntry {
  const at = json.at();
  const found: { dtype?: Dtype; shape?: number[]; data_offsets?: [number, number] } = {};
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
  if (!Number.isSafeInteger(bytes))
    throw json.invalid(`${name}.shape`, `${dtype} ${shapeText(shape)} takes over 2^53 - 1 bytes`, shape, at);
  if (end - begin !== bytes) {
    const problem = `${dtype} ${shapeText(shape)} takes ${bytes} bytes, but its data has ${end - begin}`;
    throw json.invalid(name, problem, end - begin, at);
  }
  return { name, dtype, shape, begin, end };
}

/** Not a safe integer once a product has left the safe integers, even if a later size is 0. */
function tensorBytes(dtype: Dtype, shape: readonly number[]): number {
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (!Number.isSafeInteger(elements)) return elements;
  }
  return elements * dtypeBytes[dtype];
}

function readDtype(json: HeaderJson, field: string): Dtype {
  const at = json.at();
  const dtype = json.string(field);
  if (!Object.hasOwn(dtypeBytes, dtype))
    throw json.invalid(field, `unknown dtype ${quote(dtype)}: none of ${Object.keys(dtypeBytes)}`, dtype, at);
  return dtype as Dtype;
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
  const inOrder = [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const { name, begin, end } of inOrder) {
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

/**
 * Reads the JSON of a header, and no other JSON. JSON.parse keeps the last of two equal names, does not say at which
 * byte it failed, and builds whatever it is given: a legal 100 MB of small names aborts the process (Node 22 and 26).
 * Nothing here recurses on the input, and every byte is looked at a bounded number of times.
 */
class HeaderJson {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  #at = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
  }

  /** The next byte of the header that is not space. */
  at(): number {
    while (isSpace(this.#bytes[this.#at])) this.#at++;
    return this.#at;
  }

  /** An object without duplicate names: calls `member` with each name and its byte, to read the value. */
  object(field: string, member: (name: string, at: number) => void): void {
    this.#expect('{', field);
    if (this.#accept('}')) return;
    const names = new Set<string>();
    do {
      const at = this.at();
      const name = this.string(field);
      if (names.has(name)) throw this.invalid(field, `${quote(name)} is there twice`, name, at);
      names.add(name);
      this.#expect(':', field);
      member(name, at);
    } while (this.#accept(','));
    this.#expect('}', field);
  }

  /** An array of integers from 0 to 2^53 - 1. */
  integers(field: string): number[] {
    const values: number[] = [];
    this.#expect('[', field);
    if (this.#accept(']')) return values;
    do values.push(this.#integer(field));
    while (this.#accept(','));
    this.#expect(']', field);
    return values;
  }

  #integer(field: string): number {
    const start = this.at();
    let value = 0;
    for (; value <= Number.MAX_SAFE_INTEGER; this.#at++) {
      const digit = (this.#bytes[this.#at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const length = this.#at - start;
    const plain = length === 1 || (length > 1 && this.#bytes[start] !== 0x30);
    if (plain && Number.isSafeInteger(value)) return value;
    throw this.unexpected(field, 'an integer from 0 to 2^53 - 1', start);
  }

  string(field: string): string {
    const start = this.at();
    const end = this.#stringEnd(start);
    const text = decodeString(this.#bytes.subarray(start, end));
    if (text === undefined) throw this.unexpected(field, 'a string in UTF-8', start);
    this.#at = end;
    return text;
  }

  /** The byte after the closing quote; `start` itself where no string begins. */
  #stringEnd(start: number): number {
    const bytes = this.#bytes;
    if (bytes[start] !== 0x22) return start;
    let at = start + 1;
    while (at < bytes.byteLength && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
    return at + 1;
  }

  end(): void {
    if (this.at() < this.#bytes.byteLength) throw this.unexpected('header', 'only spaces after the last "}"');
  }

  invalid(field: string, problem: string, value: unknown, at: number): FlexemrError {
    return invalidFile(this.#file, field, prefixBytes + at, problem, value);
  }

  unexpected(field: string, expected: string, at: number = this.at()): FlexemrError {
    const found = new TextDecoder().decode(this.#bytes.subarray(at, at + 24));
    const problem = `expected ${expected}, found ${found === '' ? 'the end' : quote(found)}`;
    return this.invalid(field, problem, found, at);
  }

  #accept(char: string): boolean {
    const there = this.#bytes[this.at()] === char.charCodeAt(0);
    if (there) this.#at++;
    return there;
  }

  #expect(char: string, field: string): void {
    if (!this.#accept(char)) throw this.unexpected(field, `"${char}"`);
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a JSON string literal; undefined where it is not one, not UTF-8, or holds half a surrogate pair. */
function decodeString(literal: Uint8Array): string | undefined {
  try {
    const text: string = JSON.parse(utf8.decode(literal));
    return text.isWellFormed() ? text : undefined;
  } catch {
    return undefined;
  }
}

/** For messages: short, whatever the file says. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text);
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.slice(0, 8).join(', ')}${shape.length > 8 ? ', …' : ''}]`;
}

/** `position` is a byte of the file. */
export function invalidFile(
  file: string,
  field: string,
  position: number,
  problem: string,
  value: unknown,
): FlexemrError {
  const message = `${file}: ${quote(field)} at byte ${position}: ${problem}. Fetch the file again, or write it again from sound tensors.`;
  return new FlexemrError('INVALID_FILE', message, { field, position, value });
}
