import type { Pooled } from '../../src/index.ts';

/** Compares results with the expected bits. @param but the results to skip @throws Error if they differ */
export function checkPooled(
  name: string,
  got: Pooled | undefined,
  wanted: Pooled,
  but: Iterable<number> = [],
): void {
  if (got === undefined) throw new Error(`${name} is missing`);
  const skip = new Uint8Array(wanted.counts.length);
  for (const result of but) skip[result] = 1;
  checkSame(name, 'counts', got.counts, wanted.counts, (i) => skip[i] === 1);
  checkSame(name, 'values', bits(got), bits(wanted), (i) => skip[Math.floor(i / wanted.dim)] === 1);
}

function bits({ values }: Pooled): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** @param but the positions to skip @throws Error if the values differ */
export function checkSame(
  name: string,
  what: string,
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  but: (position: number) => boolean = () => false,
): void {
  if (got.length !== wanted.length)
    throw new Error(`${name} has ${got.length} ${what}, not ${wanted.length}`);
  for (let i = 0; i < wanted.length; i++) {
    if (got[i] === wanted[i] || but(i)) continue;
    throw new Error(`${name}: ${what}[${i}] is ${got[i]}, not ${wanted[i]}`);
  }
}
