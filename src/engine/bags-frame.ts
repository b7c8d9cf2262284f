// The bags of one lookup in shared memory, as their caller gave them: typed arrays are copied, and not looked at.
import { copy } from '../lookup/bag-writer.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';

/** Words before the features (request-head.ts). */
export const headWords = 8;
/** Words of a feature: its kinds, then the lengths of its parts. Parts that it does not have have kind 0. */
export const featureWords = 6;

/** The parts of a feature, in order: 4 bits of its kinds are of each. */
export const parts = 4;
/** Offsets or lengths. Those of all features come first, because they rarely change their places from lookup to lookup. */
export const countsPart = 1;
export const weightsPart = 2;
export const inversePart = 3;
export const lengthsFlag = 0x10000;
export const lastOffsetFlag = 0x20000;

/** Arrays that are copied as they are. Others are sent as a message. */
type Plain = Uint32Array | Int32Array | Float32Array | BigUint64Array | BigInt64Array;
const u32 = 1;
const i32 = 2;
const f32 = 3;
const u64 = 4;
const i64 = 5;
/** A view of memory. @returns undefined if the kind is 0 */
export function viewOf(kind: number, buffer: ArrayBuffer, begin: number, length: number): unknown {
  if (kind === u32) return new Uint32Array(buffer, begin, length);
  if (kind === i32) return new Int32Array(buffer, begin, length);
  if (kind === f32) return new Float32Array(buffer, begin, length);
  if (kind === u64) return new BigUint64Array(buffer, begin, length);
  return kind === i64 ? new BigInt64Array(buffer, begin, length) : undefined;
}

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
export function wordsOf(length: number, kind: number): number {
  return kind >= u64 ? length * 2 : (length + 1) & ~1;
}

export function headOf(features: number): number {
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
    const countKind = this.#readPart(i * parts + countsPart, offsets ?? lengths);
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
      words[at + headWords + i * featureWords] = this.#kinds[i];
      next = this.#writePart(words, at, i, countsPart, next);
    }
    for (let i = 0; i < this.#features; i++) {
      for (let part = 0; part < parts; part++)
        if (part !== countsPart) next = this.#writePart(words, at, i, part, next);
    }
  }

  /** @returns where the next part begins */
  #writePart(words: Uint32Array, at: number, feature: number, part: number, next: number): number {
    const array = this.#arrays[feature * parts + part];
    words[at + headWords + feature * featureWords + 1 + part] = array?.length ?? 0;
    if (array === undefined) return next;
    copyWords(array, words, next);
    return next + wordsOf(array.length, (this.#kinds[feature] >>> (part * 4)) & 15);
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
