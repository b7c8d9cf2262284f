// Schemas of dtypes, modes and dims, for code that checks arguments.
import { integer, oneOf, type Schema } from '../check.ts';
import { dimMax } from '../limits.ts';
import { type DType, dtypes } from './dtype.ts';
import { type PoolingMode, poolingModes } from './pooling-mode.ts';

/** @internal */
export const anyDtype: Schema<DType> = oneOf(dtypes);
/** @internal */
export const anyMode: Schema<PoolingMode> = oneOf(poolingModes);
/** @internal */
export const anyDim: Schema<number> = integer(1, dimMax);
