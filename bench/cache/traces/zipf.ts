import { randomWords } from '../../data.ts';
import { buildTrace, type Trace } from '../trace.ts';
import { zipfRanks } from '../zipf.ts';

export interface ZipfShape {
  readonly rows: number;
  readonly dim: number;
  readonly exponent: number;
  readonly accesses: number;
  /** After so many accesses, a new row becomes the most popular, and all others lose one rank. Undefined: never. */
  readonly period?: number;
}

/** One-hot bags over one table. Row r has rank r at the start. */
export function zipfTrace(name: string, shape: ZipfShape, seed: number): Trace {
  const { rows, dim, exponent, accesses, period = Number.POSITIVE_INFINITY } = shape;
  const rank = zipfRanks(rows, exponent, randomWords(seed));
  return buildTrace(name, [{ name: 'rows', rows, dim }], (emit) => {
    const key = [0];
    for (let i = 0; i < accesses; i++) {
      key[0] = (rank() + rows - (Math.floor(i / period) % rows)) % rows;
      emit(0, key);
    }
  });
}
