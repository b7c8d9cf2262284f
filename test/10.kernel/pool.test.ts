import fc from 'fast-check';
import { test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { runs } from '../runs.ts';
import { assertPools } from './pool-cases.ts';

test('pool and merge give the bits of the reference, and write nothing else', () => {
  assertPools(instantiateKernels, fc.constantFrom('shared', 'plain'), { numRuns: runs.poolCases });
});
