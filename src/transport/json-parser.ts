// Reads JSON (RFC 8259) in slices, because JSON.parse of some megabytes would delay all other requests.
import { FlexemrError } from '../errors.ts';
import { jsonDepthMax } from '../limits.ts';
import type { Slices } from '../wire/slices.ts';

/** A container whose values are being read. `name` is the name of the next value. */
interface Open {
  readonly value: unknown[] | Record<string, unknown>;
  name: string;
}

const valuesAtOnce = 512;
const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const literals: readonly [text: string, value: unknown][] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

// Bytes of JSON's grammar.
const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const [minus, zero, nine] = [0x2d, 0x30, 0x39];

/** Reads JSON with the same result as JSON.parse. @throws INVALID_BAGS with the byte at which the JSON is wrong */
export async function parseJson(bytes: Buffer, slices: Slices): Promise<unknown> {
  return await new JsonParser(bytes).parse(slices);
}

class JsonParser {
  readonly #bytes: Buffer;
  #at: number;
  readonly #open: Open[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    // Some programs write a byte-order mark first.
    this.#at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  }

  async parse(slices: Slices): Promise<unknown> {
    for (let values = 1; ; values++) {
      if (values % valuesAtOnce === 0) await slices.pause();
      if (!this.#begin()) continue;
      this.#space();
      if (this.#at < this.#bytes.length) throw this.#invalid('something follows the value');
      return this.#last;
    }
  }

  /** The value that ended last. */
  #last: unknown;

  /** Reads a value, or the beginning of a container. @returns whether the outermost value has ended */
  #begin(): boolean {
    this.#space();
    const byte = this.#bytes[this.#at];
    if (byte === openBrace || byte === openBracket) {
      if (!this.#enter(byte)) return false;
    } else this.#last = byte === quote ? this.#string() : this.#scalar(byte);
    return this.#end();
  }

  /** Enters a container. @returns whether it is empty, and so has ended */
  #enter(byte: number): boolean {
    const isObject = byte === openBrace;
    if (this.#open.length === jsonDepthMax)
      throw this.#invalid(`it nests deeper than ${jsonDepthMax} levels`);
    this.#at++;
    this.#space();
    const open: Open = { value: isObject ? {} : [], name: '' };
    if (this.#bytes[this.#at] === (isObject ? closeBrace : closeBracket)) {
      this.#at++;
      this.#last = open.value;
      return true;
    }
    this.#open.push(open);
    if (isObject) open.name = this.#name();
    return false;
  }

  /** Adds the value that ended to its container. Ends each container whose last value it was. @returns as `#begin` */
  #end(): boolean {
    for (let open = this.#open.at(-1); open !== undefined; open = this.#open.at(-1)) {
      add(open, this.#last);
      this.#space();
      const byte = this.#bytes[this.#at];
      const isArray = Array.isArray(open.value);
      if (byte === comma) {
        this.#at++;
        if (!isArray) open.name = this.#name();
        return false;
      }
      if (byte !== (isArray ? closeBracket : closeBrace))
        throw this.#invalid(`expected , or ${isArray ? ']' : '}'}`);
      this.#at++;
      this.#last = open.value;
      this.#open.pop();
    }
    return true;
  }

  #name(): string {
    this.#space();
    if (this.#bytes[this.#at] !== quote) throw this.#invalid('expected a name in quotes');
    const name = this.#string();
    this.#space();
    if (this.#bytes[this.#at] !== colon) throw this.#invalid('expected :');
    this.#at++;
    return name;
  }

  #string(): string {
    const bytes = this.#bytes;
    const begin = this.#at;
    let at = begin + 1;
    let plain = true;
    for (; bytes[at] !== quote; at++) {
      const byte = bytes[at];
      if (byte === undefined || byte < 0x20)
        throw this.#invalid('a string has a control character or does not end');
      if (byte === backslash) at++;
      if (byte === backslash || byte > 0x7e) plain = false;
    }
    this.#at = at + 1;
    if (plain) return bytes.toString('latin1', begin + 1, at);
    try {
      return JSON.parse(bytes.toString('utf8', begin, at + 1));
    } catch {
      this.#at = begin;
      throw this.#invalid('a string has an invalid escape');
    }
  }

  #scalar(first: number | undefined): unknown {
    const bytes = this.#bytes;
    const begin = this.#at;
    if (first === minus || (first !== undefined && first >= zero && first <= nine)) {
      let at = begin;
      let value = 0;
      for (; bytes[at] >= zero && bytes[at] <= nine; at++) value = value * 10 + bytes[at] - zero;
      // Most numbers are integers of few digits. They need no conversion from text.
      if (at > begin && at - begin <= 15 && !isOfNumber(bytes[at]) && (first !== zero || at === begin + 1)) {
        this.#at = at;
        return value;
      }
      while (isOfNumber(bytes[at])) at++;
      const text = bytes.toString('latin1', begin, at);
      if (!number.test(text)) throw this.#invalid('a number is invalid');
      this.#at = at;
      return Number(text);
    }
    for (const [text, value] of literals) {
      if (bytes.toString('latin1', begin, begin + text.length) !== text) continue;
      this.#at += text.length;
      return value;
    }
    throw this.#invalid(first === undefined ? 'it ends too early' : 'expected a value');
  }

  #space(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; )
      byte = bytes[++at];
    this.#at = at;
  }

  #invalid(problem: string): FlexemrError {
    const message = `the body is not JSON: ${problem}, at byte ${this.#at}`;
    return new FlexemrError('INVALID_BAGS', message, { field: 'body', position: this.#at });
  }
}

/** Whether numbers may contain this byte. */
function isOfNumber(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (byte >= zero && byte <= nine) || '+-.eE'.includes(String.fromCharCode(byte));
}

function add({ value, name }: Open, element: unknown): void {
  if (Array.isArray(value)) value.push(element);
  // An assignment to this name would set the object's prototype.
  else if (name === '__proto__')
    Object.defineProperty(value, name, {
      value: element,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  else value[name] = element;
}
