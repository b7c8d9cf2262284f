// The expected digest of the conformance run, from the results of the reference.
import * as layout from '../../src/kernel/layout.ts';
import { PoolInput, runReference } from '../10.kernel/pool-case.ts';
import type { GoldenProblem } from './golden.ts';
import type { Conformance } from './hosts/conformance.ts';
import { TAPE } from './image.ts';
import { type Outcome, type Problem, readProblem, writeOutcome } from './problem.ts';

/** The problem as an input of the kernels' own tests. */
export function inputOf(problem: Problem): PoolInput {
  const { dtype, mode, dim, rows, table, defaultRow, keys, offsets, weights, padding, missing, cuts } =
    problem;
  const lengths = Array.from(offsets.subarray(1), (end, bag) => end - offsets[bag]);
  const of = { dtype, mode, dim, rows, lengths, missing, cuts };
  const input = {
    of,
    rows: table,
    defaultRow,
    keys: Float64Array.from(keys, Number),
    offsets,
    weights,
    padding,
  };
  return Object.assign(Object.create(PoolInput.prototype), input);
}

/** Solves a problem with the reference. */
export function solve(problem: Problem): Outcome {
  return runReference(inputOf(problem));
}

/** The digest of the tape's problems and then of the first `drawn` drawn problems. */
export function expectedDigest(
  golden: readonly GoldenProblem[],
  drawn: number,
  { exports, memory }: Conformance,
): { readonly digest: bigint; readonly problems: string[] } {
  const problems: string[] = [];
  for (const [i, { problem, check }] of golden.entries()) {
    const outcome = solve(problem);
    problems.push(...check(new Float32Array(outcome.pooled.buffer)).map((what) => `golden ${i}: ${what}`));
    if (outcome.status !== layout.DONE) problems.push(`golden ${i} is refused`);
  }
  let at: number = TAPE;
  for (const { problem } of golden) {
    at = exports.wind(at);
    settle(solve(problem));
  }
  for (let number = 0; number < drawn; number++) {
    exports.make(number);
    settle(solve(readProblem(memory.buffer)));
  }
  return { digest: BigInt.asUintN(64, exports.digest()), problems };

  function settle(outcome: Outcome): void {
    writeOutcome(memory.buffer, outcome);
    exports.take(outcome.status);
  }
}
