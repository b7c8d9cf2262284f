import { rowBytes } from '../kernel/dtype.ts';
import * as layout from '../kernel/layout.ts';

/** Float dtypes that rows can have in their source. They are then converted to the dtype of the table. */
export type FloatDtype = 'f32' | 'f16' | 'bf16';

/** All dtypes that rows can have in their source. */
export type SourceDtype = FloatDtype | 'int8' | 'int4';

/** The codes of these dtypes in kernels. */
export const sourceCodes: Readonly<Record<FloatDtype, number>> = {
  f32: layout.F32,
  f16: layout.F16,
  bf16: layout.BF16,
};

/** Bytes of a row in its source. */
export function sourceRowBytes(source: SourceDtype, dim: number): number {
  return rowBytes(source === 'bf16' ? 'f16' : source, dim);
}
