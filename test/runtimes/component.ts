// Solves problems with the component, and digests the results like in other runtimes.
import { FlexemrError, openComponent } from '../../src/component.ts';
import * as layout from '../../src/kernel/layout.ts';
import type { PoolInput } from '../10.kernel/pool-case.ts';
import { type Input, poolByComponent } from '../15.component/pool-by-component.ts';
import { openConformance } from './hosts/conformance.ts';
import { TAPE } from './image.ts';
import { inputOf } from './oracle.ts';
import { type Outcome, type Problem, readProblem, writeOutcome } from './problem.ts';
import type { Runtime } from './runtime.ts';

const component = openComponent();
const none = { pooled: new Uint32Array(), counts: new Uint32Array(), outcomes: new Uint8Array() };

export function componentRuntime(kernels: WebAssembly.Module, conformance: WebAssembly.Module): Runtime {
  return {
    name: 'the component',
    missing: undefined,
    async run(input) {
      const [taped, drawn] = new Uint32Array(input.buffer, 0, 2);
      const { exports, memory } = openConformance(kernels, conformance, input.subarray(20));
      const settle = (): void => {
        const outcome = solve(readProblem(memory.buffer));
        if (outcome.status === layout.DONE) writeOutcome(memory.buffer, outcome);
        exports.take(outcome.status);
      };
      let at: number = TAPE;
      for (let i = 0; i < taped; i++) {
        at = exports.wind(at);
        settle();
      }
      for (let number = 0; number < drawn; number++) {
        exports.make(number);
        settle();
      }
      const digest = BigInt.asUintN(64, exports.digest()).toString(16).padStart(16, '0');
      return { digest, seconds: undefined };
    },
  };
}

/** The keys of the component are u32. Larger keys are not a row of any table. */
function solve(problem: Problem): Outcome {
  const input = inputOf(problem);
  if (input.keys.some((key) => key >= 2 ** 32)) return { ...none, status: layout.BAD_KEY };
  const { input: asked, stoodIn } = withDefaultRow(input);
  try {
    const outcome = poolByComponent(component, asked);
    for (const position of stoodIn) outcome.outcomes[position] = layout.OUTCOME_DEFAULTED;
    return { ...outcome, status: layout.DONE };
  } catch (error) {
    if (error instanceof FlexemrError && error.code === 'INVALID_KEY')
      return { ...none, status: layout.BAD_KEY };
    throw error;
  }
}

/** The component has no default rows, so this adds the default row to the table, and changes the keys that need it. */
function withDefaultRow(input: PoolInput): {
  readonly input: Input;
  readonly stoodIn: readonly number[];
} {
  const { of, keys, rows, defaultRow, padding } = input;
  if (of.missing !== 'default') return { input, stoodIn: [] };
  const stoodIn = Array.from(keys.keys()).filter((i) => keys[i] >= of.rows && keys[i] !== padding);
  const extended = new Uint8Array(rows.length + defaultRow.length);
  extended.set(rows);
  extended.set(defaultRow, rows.length);
  const named = keys.map((key) => Math.min(key, of.rows));
  return {
    input: {
      ...input,
      of: { ...of, rows: of.rows + 1, missing: 'error' },
      keys: named,
      rows: extended,
    },
    stoodIn,
  };
}
