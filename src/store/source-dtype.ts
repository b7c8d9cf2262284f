import * as layout from '../kernel/layout.ts';
import { rowBytes } from '../kernel/reference.ts';

/** Floats that rows may come as, before they are kept in the table's dtype. */
export type FloatDtype = 'f32' | 'f16' | 'bf16';

/** PyTorch's packed layouts: such rows are kept as they are. */
type QuantisedDtype = 'int8' | 'int4';

/** What rows may come as. */
export type SourceDtype = FloatDtype | QuantisedDtype;

export function isQuantised(dtype: string | undefined): dtype is QuantisedDtype {
  return dtype === 'int8' || dtype === 'int4';
}

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
