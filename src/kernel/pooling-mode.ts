// How the rows of a bag become one vector. A new mode begins here; CONTRIBUTING.md lists the steps.
import * as layout from './layout.ts';

export const poolingModes = ['sum', 'mean', 'sqrtn', 'max'] as const;
export type PoolingMode = (typeof poolingModes)[number];

/** The numbers that kernels use for modes. */
export const modeCodes: Readonly<Record<PoolingMode, number>> = {
  sum: layout.SUM,
  mean: layout.MEAN,
  sqrtn: layout.SQRTN,
  max: layout.MAX,
};

/** Whether the sum of a bag is divided at the end. The divisor depends on the number of its rows, or on its weights. */
export function divides(mode: string): boolean {
  return mode === 'mean' || mode === 'sqrtn';
}
