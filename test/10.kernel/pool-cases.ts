// Draws pooling cases, and checks that kernels pass them.

import fc from 'fast-check';
import { expect } from 'vitest';
import { dtypes } from '../../src/kernel/dtype.ts';
import type { Kernels } from '../../src/kernel/kernels.ts';
import { DONE } from '../../src/kernel/layout.ts';
import type { PoolCase } from './pool-case.ts';
import { PoolInput, runKernel, runReference } from './pool-case.ts';

const dims = fc.oneof(
  fc.integer({ min: 1, max: 70 }),
  fc.constantFrom(16, 32, 64, 100, 128, 256, 1000),
  fc.integer({ min: 1, max: 4096 }),
);

export const poolCases: fc.Arbitrary<PoolCase> = fc
  .record({
    seed: fc.nat(),
    dtype: fc.constantFrom(...dtypes),
    mode: fc.constantFrom('sum', 'mean', 'sqrtn', 'max'),
    weighted: fc.boolean(),
    dim: dims,
    rows: fc.integer({ min: 1, max: 60 }),
    lengths: fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 400 })), {
      maxLength: 12,
    }),
    values: fc.constantFrom('plain', 'special', 'zeros'),
    keyBytes: fc.constantFrom(4, 8),
    missing: fc.constantFrom('error', 'skip', 'default'),
    padded: fc.boolean(),
    outOfRange: fc.boolean(),
    touch: fc.boolean(),
    budget: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(0xffffffff)),
    cuts: fc.array(fc.nat(), { maxLength: 3 }),
  })
  .map((raw) => {
    const shrink = raw.dim > 512 ? 20 : 1;
    return {
      ...raw,
      weighted: raw.weighted && raw.mode !== 'max',
      lengths: raw.lengths.map((length) => Math.floor(length / shrink)),
      cuts: [...new Set(raw.cuts.map((cut) => cut % raw.rows))]
        .filter((cut) => cut > 0)
        .sort((a, b) => a - b),
    } as PoolCase;
  });

/** Asserts that the kernels give the bits of the reference in every case and memory, and write nothing else. */
export function assertPools(
  load: (memory: WebAssembly.Memory) => Kernels,
  memories: fc.Arbitrary<'shared' | 'plain'>,
  options: fc.Parameters<unknown>,
): void {
  const property = fc.property(poolCases, memories, (of, memory) => {
    const input = new PoolInput(of);
    const expected = runReference(input);
    const { strayWrites, ...got } = runKernel(input, load, memory === 'shared');
    expect(strayWrites).toEqual([]);
    expect(got.status).toBe(expected.status);
    if (expected.status === DONE) expect(got).toEqual(expected);
  });
  fc.assert(property, options as fc.Parameters<[PoolCase, 'shared' | 'plain']>);
}
