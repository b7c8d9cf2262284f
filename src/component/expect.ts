// Checks what callers pass before the component gets it. The component itself would read the bytes of any array and
// coerce everything else.
import * as v from 'valibot';
import { check, isObject, type Schema, typedArray } from '../check.ts';
import type { ErrorCode } from '../errors.ts';
import type { DType } from '../kernel/dtype.ts';
import type { PoolingMode } from '../kernel/pooling-mode.ts';
import { anyDim, anyDtype, anyMode } from '../kernel/schemas.ts';

const arrays: Readonly<
  Record<'Uint8Array' | 'Uint32Array' | 'Float32Array' | 'BigUint64Array', Schema<unknown>>
> = {
  Uint8Array: typedArray<Uint8Array>('Uint8Array'),
  Uint32Array: typedArray<Uint32Array>('Uint32Array'),
  Float32Array: typedArray<Float32Array>('Float32Array'),
  BigUint64Array: typedArray<BigUint64Array>('BigUint64Array'),
};
const object = v.custom<object>(isObject, 'an object');

export function expectArray(
  value: unknown,
  name: keyof typeof arrays,
  field: string,
  code: ErrorCode = 'INVALID_OPTION',
): void {
  check(arrays[name], value, field, code);
}

export function expectObject(value: unknown, field: string, code: ErrorCode = 'INVALID_OPTION'): void {
  check(object, value, field, code);
}

export function expectDim(dim: number): void {
  check(anyDim, dim, 'dim', 'INVALID_TABLE');
}

export function expectDType(dtype: DType): void {
  check(anyDtype, dtype, 'dtype', 'INVALID_TABLE');
}

export function expectMode(mode: PoolingMode): void {
  check(anyMode, mode, 'mode');
}
