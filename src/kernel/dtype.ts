// The dtypes of stored rows. A new dtype begins here; CONTRIBUTING.md lists the steps.
import * as layout from './layout.ts';

/** f32 and f16 as they are; int8 and int4 quantised row by row, in PyTorch's layouts. */
export const dtypes = ['f32', 'f16', 'int8', 'int4'] as const;
export type DType = (typeof dtypes)[number];

/** The numbers that kernels use for dtypes. */
export const dtypeCodes: Readonly<Record<DType, number>> = {
  f32: layout.F32,
  f16: layout.F16,
  int8: layout.INT8,
  int4: layout.INT4,
};

/** Bytes of one row of `dim` columns. */
export function rowBytes(dtype: DType, dim: number): number {
  if (dtype === 'f32') return dim * 4;
  if (dtype === 'f16') return dim * 2;
  return dtype === 'int8' ? dim + 8 : Math.ceil(dim / 2) + 4;
}

/** Whether rows have a scale and a bias of their own. */
export function isQuantised(dtype: string | undefined): dtype is 'int8' | 'int4' {
  return dtype === 'int8' || dtype === 'int4';
}
