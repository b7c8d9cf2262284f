// `ask` and `mergeReplies` against their reference: every byte of every frame, and every bit of the results.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kernelModule } from '../../src/kernel/files.ts';
import { runs } from '../runs.ts';
import { AskMemory, askCases, assertAsks, type Seen } from './ask-case.ts';

test('frames and results are those of the reference, in slices of any size, and nothing else is written', () => {
  const seen: Seen = {
    ...{ refused: 0, repeated: 0, fetched: 0, cut: 0 },
    ...{ divided: 0, frames: 0, exceptions: 0, viewed: 0 },
  };
  const memory = new AskMemory(kernelModule('ranker'));
  fc.assert(
    fc.property(askCases, (of) => assertAsks(of, memory, seen)),
    { numRuns: runs.askCases },
  );
  console.log(seen);
  for (const times of Object.values(seen)) expect(times).toBeGreaterThan(runs.askCases / 100);
});
