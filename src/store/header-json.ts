import { FlexemrError } from '../errors.ts';

/** Bytes of the little-endian u64 that opens a file and says how long the header is. */
export const prefixBytes = 8;

/**
 * Reads the JSON of a header, and no other JSON. JSON.parse keeps the last of two equal names, does not say at which
 * byte it failed, and builds whatever it is given: a legal 100 MB of small names aborts the process (Node 22 and 26).
 * Nothing here recurses on the input, and every byte is looked at a bounded number of times.
 */
export class HeaderJson {
  readonly #bytes: Uint8Array;
  /** A character a byte: the right one where it is ASCII, as most names are. Decoding each by itself takes many times as long. */
  readonly #ascii: string;
  readonly #file: string;
  #at = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#ascii = new TextDecoder('latin1').decode(bytes);
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
    const names = new Names();
    do {
      const at = this.at();
      const name = this.string(field);
      if (!names.add(name)) throw this.invalid(field, `${quote(name)} is there twice`, name, at);
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
    const plain = this.#plainEnd(start);
    if (plain > start) {
      this.#at = plain + 1;
      return this.#ascii.slice(start + 1, plain);
    }
    const end = this.#stringEnd(start);
    const text = decodeString(this.#bytes.subarray(start, end));
    if (text === undefined) throw this.unexpected(field, 'a string in UTF-8', start);
    this.#at = end;
    return text;
  }

  /** The closing quote of a string of nothing but printable ASCII without escapes; `start` where it is no such string. */
  #plainEnd(start: number): number {
    const bytes = this.#bytes;
    if (bytes[start] !== 0x22) return start;
    for (let at = start + 1; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === 0x22) return at;
      if (byte < 0x20 || byte > 0x7e || byte === 0x5c) break;
    }
    return start;
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

/** Names of one object, each once: most objects have three. */
class Names {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** @returns whether it was not there */
  add(name: string): boolean {
    if (this.#many !== undefined) return this.#many.size < this.#many.add(name).size;
    if (this.#few.includes(name)) return false;
    if (this.#few.push(name) > 8) this.#many = new Set(this.#few);
    return true;
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
