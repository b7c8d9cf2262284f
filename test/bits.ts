// Lookups as bits, so that comparisons distinguish −0, NaN and the last digits.
import { expect } from 'vitest';
import type { Lookup, Pooled } from '../src/index.ts';
import { bitsOf } from './30.plan/expected.ts';

/** Every array of every feature, in the order of the request. The arrays are copies. */
export function bits(lookup: Iterable<readonly [string, Pooled]>): object[] {
  return Array.from(lookup, ([feature, pooled]) => ({ feature, ...structuredClone(bitsOf(pooled)) }));
}

/** Compares bytes first, because toEqual is slow for large arrays. */
export function expectBits(got: readonly object[], wanted: readonly object[]): void {
  if (!got.every((feature, i) => isSame(feature, wanted[i] ?? {})) || got.length !== wanted.length)
    expect(got).toEqual(wanted);
}

export function expectSame(got: Lookup, wanted: Lookup): void {
  expectBits(bits(got), bits(wanted));
}

function isSame(a: object, b: object): boolean {
  const [fields, others] = [Object.entries(a), new Map(Object.entries(b))];
  return fields.length === others.size && fields.every(([name, value]) => isEqual(value, others.get(name)));
}

function isEqual(a: unknown, b: unknown): boolean {
  if (!(a instanceof Uint32Array && b instanceof Uint32Array)) return Object.is(a, b);
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  );
}
