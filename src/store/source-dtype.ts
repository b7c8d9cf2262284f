import { rowBytes } from '../kernel/dtype.ts';
import * as layout from '../kernel/layout.ts';

/** Floats that rows may come as, before they are kept in the table's dtype. */
export type FloatDtype = 'f32' | 'f16' | 'bf16';

/** What rows may come as. */
export type SourceDtype = FloatDtype | 'int8' | 'int4';

/** What kernels call them. */
export const sourceCodes: Readonly<Record<FloatDtype, number>> = {
  f32: layout.F32,
  f16: layout.F16,
  bf16: layout.BF16,
};

/** Bytes of a row as it comes. */
export function sourceRowBytes(source: SourceDtype, dim: number): number {
  return rowBytes(source === 'bf16' ? 'f16' : source, dim);
}
