// What callers hand in, looked at before the component takes it: it would read the bytes of any array, and coerce the rest.
import { type ErrorCode, FlexemrError, show } from '../errors.ts';
import { dtypeCodes, modeCodes } from '../kernel/call.ts';
import type { DType, PoolingMode } from '../kernel/reference.ts';
import { dimMax } from '../limits.ts';

interface Arrays {
  readonly Uint8Array: Uint8Array;
  readonly Uint32Array: Uint32Array;
  readonly Float32Array: Float32Array;
  readonly BigUint64Array: BigUint64Array;
}

/** Whether it is such an array, of whatever realm. */
export function isArray<Name extends keyof Arrays>(value: unknown, name: Name): value is Arrays[Name] {
  return ArrayBuffer.isView(value) && (value as Partial<Arrays[Name]>)[Symbol.toStringTag] === name;
}

export function expectArray(
  value: unknown,
  name: keyof Arrays,
  field: string,
  code: ErrorCode = 'INVALID_OPTION',
): void {
  if (!isArray(value, name)) throw unexpected(code, field, `a ${name}`, value);
}

export function expectObject(value: unknown, field: string, code: ErrorCode = 'INVALID_OPTION'): void {
  if (typeof value !== 'object' || value === null) throw unexpected(code, field, 'an object', value);
}

export function expectDim(dim: number): void {
  expectInteger(dim, 1, dimMax, 'dim', 'INVALID_TABLE');
}

export function expectDType(dtype: DType): void {
  if (!Object.hasOwn(dtypeCodes, dtype)) throw oneOf('INVALID_TABLE', 'dtype', dtypeCodes, dtype);
}

export function expectMode(mode: PoolingMode): void {
  if (!Object.hasOwn(modeCodes, mode)) throw oneOf('INVALID_OPTION', 'mode', modeCodes, mode);
}

export function expectInteger(
  value: unknown,
  least: number,
  most: number,
  field: string,
  code: ErrorCode = 'INVALID_OPTION',
): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return;
  throw unexpected(code, field, `an integer from ${least} to ${most}`, value);
}

export function unexpected(code: ErrorCode, field: string, expected: string, value: unknown): FlexemrError {
  return new FlexemrError(code, `${field}: expected ${expected}, not ${nameOf(value)}`, { field, value });
}

function oneOf(code: ErrorCode, field: string, of: object, value: unknown): FlexemrError {
  return unexpected(code, field, `one of ${Object.keys(of).join(', ')}`, value);
}

function nameOf(value: unknown): string {
  return ArrayBuffer.isView(value) || Array.isArray(value) ? value.constructor.name : show(value);
}
