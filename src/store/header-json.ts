import { FlexemrError } from '../errors.ts';

/** Bytes of the little-endian u64 at the beginning of a file. Its value is the size of the header in bytes. */
export const prefixBytes = 8;

/**
 * Reads the JSON of a header, and no other JSON. JSON.parse is not suitable. It keeps the last of two equal names, does
 * not report the byte at which it failed, and has no limits: a legal header of 100 MB of small names aborts the process
 * (Node 22 and 26). No method here recurses on the input, and each byte is read a bounded number of times.
 */
export class HeaderJson {
  readonly #bytes: Uint8Array;
  /**
   * One character per byte, correct for ASCII, which most names are. Decoding each name separately takes many times as
   * long.
   */
  readonly #ascii: string;
  readonly #file: string;
  #at = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#ascii = new TextDecoder('latin1').decode(bytes);
    this.#file = file;
  }

  /** Skips spaces. @returns the position in the header of the next byte that is not a space */
  at(): number {
    while (isSpace(this.#bytes[this.#at])) this.#at++;
    return this.#at;
  }

  /** Reads an object without duplicate names. `member` gets each name and its position, and must read the value. */
  object(field: string, member: (name: string, at: number) => void): void {
    this.#expect('{', field);
    if (this.#accept('}')) return;
    const names = new Names();
    do {
      const at = this.at();
      const name = this.string(field);
      if (!names.add(name)) throw this.invalid(field, `${quote(name)} occurs twice`, name, at);
      this.#expect(':', field);
      member(name, at);
    } while (this.#accept(','));
    this.#expect('}', field);
  }

  /** Reads an array of integers from 0 to 2^53 - 1. */
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

  /**
   * Returns the position of the closing quote of a string that has only printable ASCII without escapes.
   * Returns `start` if the text is not such a string.
   */
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

  /** Returns the position after the closing quote, or `start` if no string begins there. */
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

/** The set of names of one object. Most objects have three names, for which a list is enough. */
class Names {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** @returns false if the name is already there */
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

/** Decodes a JSON string literal. Returns undefined if it is not one, not UTF-8, or has half a surrogate pair. */
function decodeString(literal: Uint8Array): string | undefined {
  try {
    const text: string = JSON.parse(utf8.decode(literal));
    return text.isWellFormed() ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Quotes a text for messages, and shortens it. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text);
}

/** The error of an invalid file. @param position byte of the file */
export function invalidFile(
  file: string,
  field: string,
  position: number,
  problem: string,
  value: unknown,
): FlexemrError {
  const message = `${file}: ${quote(field)} at byte ${position}: ${problem}. Fetch the file again, or write it again from correct tensors.`;
  return new FlexemrError('INVALID_FILE', message, { field, position, value });
}
