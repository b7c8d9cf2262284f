// How the rows of a bag become one vector. A new mode begins here: CONTRIBUTING.md has the list.
import * as layout from './layout.ts';

export const poolingModes = ['sum', 'mean', 'sqrtn', 'max'] as const;
export type PoolingMode = (typeof poolingModes)[number];

/** What kernels call them. */
export const modeCodes: Readonly<Record<PoolingMode, number>> = {
  sum: layout.SUM,
  mean: layout.MEAN,
  sqrtn: layout.SQRTN,
  max: layout.MAX,
};

/** Whether the sum of a bag is divided at its end: by its rows, or by what its weights add up to. */
export function divides(mode: string): boolean {
  return mode === 'mean' || mode === 'sqrtn';
}
