// The bags of one lookup in shared memory, as their caller gave them: typed arrays are copied, and not looked at.
import { copy } from '../lookup/bag-writer.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import type { Shape } from './shapes.ts';

/** Words before the features (request-head.ts). */
export const headWords = 8;
/** Words of a feature: its kinds, then the lengths of its parts. Parts that it does not have have kind 0. */
const featureWords = 6;

/** The parts of a feature, in order: 4 bits of its kinds are of each. */
const parts = 4;
const weightsPart = 2;
const inversePart = 3;
const lengthsFlag = 0x10000;
const lastOffsetFlag = 0x20000;

/** Arrays that are copied as they are. Others are sent as a message. */
type Plain = Uint32Array | Int32Array | Float32Array | BigUint64Array | BigInt64Array;
const u32 = 1;
const i32 = 2;
const f32 = 3;
const u64 = 4;
const i64 = 5;

/** @returns 0: it is not there; -1: it is no array that is copied as it is */
function kindOf(array: unknown): number {
  if (array instanceof Uint32Array) return u32;
  if (array === undefined) return 0;
  if (array instanceof Int32Array) return i32;
  if (array instanceof Float32Array) return f32;
  if (array instanceof BigUint64Array) return u64;
  return array instanceof BigInt64Array ? i64 : -1;
}

/** Every array begins at a multiple of 8 bytes. */
function wordsOf(length: number, kind: number): number {
  return kind >= u64 ? length * 2 : (length + 1) & ~1;
}

function headOf(features: number): number {
  return headWords + features * featureWords;
}

/** The bags of one lookup at a time. It is reused, so that a lookup leaves no garbage. */
export class BagsFrame {
  #features = 0;
  #words = 0;
  readonly #kinds: number[] = [];
  /** By feature and part. */
  readonly #arrays: (Plain | undefined)[] = [];

  /** Bytes that the bags take. */
  get bytes(): number {
    return this.#words * 4;
  }

  /** Reads bags. @returns false if they cannot be copied as they are */
  read(bags: KeyedBags): boolean {
    this.#features = 0;
    this.#words = 0;
    for (const name in bags) if (Object.hasOwn(bags, name) && !this.#readFeature(bags[name])) return false;
    this.#words += headOf(this.#features);
    return true;
  }

  #readFeature(given: Bags): boolean {
    if (typeof given !== 'object' || given === null) return false;
    const { keys, offsets, lengths, weights, inverse, includeLastOffset } = given;
    if (offsets !== undefined && lengths !== undefined) return false;
    if (includeLastOffset !== undefined && typeof includeLastOffset !== 'boolean') return false;
    const i = this.#features++;
    const flags = (offsets === undefined ? lengthsFlag : 0) | (includeLastOffset ? lastOffsetFlag : 0);
    const keyKind = this.#readPart(i * parts, keys);
    const countKind = this.#readPart(i * parts + 1, offsets ?? lengths);
    if (keyKind <= 0 || countKind < 0) return false;
    this.#kinds[i] = flags | keyKind | (countKind << 4);
    if (weights === undefined && inverse === undefined) {
      this.#arrays[i * parts + weightsPart] = undefined;
      this.#arrays[i * parts + inversePart] = undefined;
      return true;
    }
    const weightKind = this.#readPart(i * parts + weightsPart, weights);
    const inverseKind = this.#readPart(i * parts + inversePart, inverse);
    this.#kinds[i] |= (weightKind << 8) | (inverseKind << 12);
    return weightKind >= 0 && inverseKind >= 0;
  }

  #readPart(at: number, array: unknown): number {
    const kind = kindOf(array);
    this.#arrays[at] = array as Plain | undefined;
    if (kind > 0) this.#words += wordsOf((array as Plain).length, kind);
    return kind;
  }

  /** Writes the bags at word `at`. Their head is to be written too. */
  write(words: Uint32Array, at: number): void {
    let next = at + headOf(this.#features);
    for (let i = 0; i < this.#features; i++) {
      const record = at + headWords + i * featureWords;
      words[record] = this.#kinds[i];
      for (let part = 0; part < parts; part++) {
        const array = this.#arrays[i * parts + part];
        words[record + 1 + part] = array?.length ?? 0;
        if (array === undefined) continue;
        copyWords(array, words, next);
        next += wordsOf(array.length, (this.#kinds[i] >>> (part * 4)) & 15);
      }
    }
  }

  /** Forgets the caller's arrays. */
  clear(): void {
    for (let i = 0; i < this.#features * parts; i++) this.#arrays[i] = undefined;
  }
}

function copyWords(array: Plain, to: Uint32Array, at: number): void {
  if (array instanceof Uint32Array) copy(array, to, at);
  else to.set(new Uint32Array(array.buffer, array.byteOffset, array.byteLength >>> 2), at);
}

const constructors = [undefined, Uint32Array, Int32Array, Float32Array, BigUint64Array, BigInt64Array];

/** The bags at byte `at`, as views of the memory. */
export function bagsIn(memory: Uint8Array, at: number, { names, tables }: Shape): KeyedBags {
  const { buffer } = memory;
  const first = memory.byteOffset + at;
  const words = new Uint32Array(buffer, first, headOf(names.length));
  let next = first + words.byteLength;
  const bags: Record<string, Bags> = {};
  for (let i = 0; i < names.length; i++) {
    const record = headWords + i * featureWords;
    const kinds = words[record];
    const view = (part: number): unknown => {
      const kind = (kinds >>> (part * 4)) & 15;
      const construct = constructors[kind];
      if (construct === undefined) return undefined;
      const length = words[record + 1 + part];
      const begin = next;
      next += wordsOf(length, kind) * 4;
      return new construct(buffer as ArrayBuffer, begin, length);
    };
    const keys = view(0) as Uint32Array;
    const counts = view(1) as Uint32Array | undefined;
    const weights = view(weightsPart) as Float32Array | undefined;
    const inverse = view(inversePart) as Uint32Array | undefined;
    const isLengths = (kinds & lengthsFlag) !== 0;
    bags[names[i]] = {
      keys,
      offsets: isLengths ? undefined : counts,
      lengths: isLengths ? counts : undefined,
      includeLastOffset: (kinds & lastOffsetFlag) !== 0,
      weights,
      inverse,
      table: tables[i],
    };
  }
  return bags;
}
