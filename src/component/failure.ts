import { type ErrorCode, FlexemrError, invalidAt } from '../errors.ts';

/** An `error` of wasm/flexemr.wit. */
interface Failure {
  readonly code: string;
  readonly position: number;
}

/** The arguments of the call, which errors quote. */
export interface Given {
  readonly keys?: Uint32Array;
  readonly offsets?: Uint32Array;
  readonly weights?: Float32Array | undefined;
  readonly slots?: Uint32Array;
}

const errorsByCode: Readonly<Record<string, (at: number, given: Given) => FlexemrError>> = {
  'invalid-key': (at, { keys }) =>
    invalidAt('INVALID_KEY', 'keys', at, keys?.[at], 'is not a row of the table'),
  'invalid-offsets': (at, { keys, offsets }) => {
    const rule = `offsets begin with 0, never decrease and end with the number of keys, ${keys?.length}`;
    return invalidAt('INVALID_OFFSETS', 'offsets', at, offsets?.[at], `is wrong: ${rule}`);
  },
  'invalid-weights': (_, { keys, weights }) =>
    refused(
      'INVALID_WEIGHTS',
      'weights',
      `there are ${weights?.length} weights for ${keys?.length} keys; give one weight per key, and none for max`,
    ),
  'invalid-bags': (at) =>
    refused(
      'INVALID_BAGS',
      'partials',
      `number ${at} differs from the first in its bags, columns or weights`,
      at,
    ),
  'invalid-table': () =>
    refused('INVALID_TABLE', 'rows', 'the bytes are not a whole number of rows of dim columns'),
  'invalid-option': (at, { slots }) =>
    invalidAt(
      'INVALID_OPTION',
      'slots',
      at,
      slots?.[at],
      'means "none": give smaller slots, and one slot per id',
    ),
  'limit-exceeded': (at) =>
    refused(
      'LIMIT_EXCEEDED',
      'ids',
      `the index has space for ${at} ids: make a larger index, or remove some ids`,
      at,
    ),
};

function refused(code: ErrorCode, field: string, problem: string, position?: number): FlexemrError {
  return new FlexemrError(code, `${field}: ${problem}`, { field, position });
}

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'code' in error && 'position' in error;
}

/** Converts what the component threw to an error of this package. */
export function failureOf(error: unknown, given: Given): FlexemrError {
  if (isFailure(error)) return errorsByCode[error.code](error.position, given);
  if (error instanceof WebAssembly.RuntimeError) return outOfMemory(error);
  const message = `the component refuses the call: ${(error as Error).message}`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'options', cause: error });
}

/** The component traps only if it finds no memory. */
function outOfMemory(cause: unknown): FlexemrError {
  const message =
    'the component found no memory in one piece and cannot be used any more: open another, with a smaller memoryBytes';
  return new FlexemrError('OUT_OF_MEMORY', message, { field: 'memory', cause });
}
