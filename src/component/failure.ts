import { type ErrorCode, FlexemrError, invalidAt } from '../errors.ts';

/** What wasm/flexemr.wit calls an error. */
interface Failure {
  readonly code: string;
  readonly position: number;
}

/** What was asked of, for the errors to quote. */
export interface Given {
  readonly keys?: Uint32Array;
  readonly offsets?: Uint32Array;
  readonly weights?: Float32Array | undefined;
  readonly slots?: Uint32Array;
}

const errorsByCode: Readonly<Record<string, (at: number, given: Given) => FlexemrError>> = {
  'invalid-key': (at, { keys }) => invalidAt('INVALID_KEY', 'keys', at, keys?.[at], 'is no row of the table'),
  'invalid-offsets': (at, { keys, offsets }) => {
    const rule = `offsets begin with 0, never decrease and end with the number of keys, ${keys?.length}`;
    return invalidAt('INVALID_OFFSETS', 'offsets', at, offsets?.[at], `cannot be: ${rule}`);
  },
  'invalid-weights': (_, { keys, weights }) =>
    refused(
      'INVALID_WEIGHTS',
      'weights',
      `there are ${weights?.length} for ${keys?.length} keys; as many as keys, and none for max`,
    ),
  'invalid-bags': (at) =>
    refused('INVALID_BAGS', 'partials', `number ${at} has other bags, columns or weights than the first`, at),
  'invalid-table': () => refused('INVALID_TABLE', 'rows', 'they are no whole rows of dim columns'),
  'invalid-option': (at, { slots }) =>
    invalidAt('INVALID_OPTION', 'slots', at, slots?.[at], 'stands for none: give less, and one slot an id'),
  'limit-exceeded': (at) =>
    refused('LIMIT_EXCEEDED', 'ids', `the index has room for ${at}: make a larger one, or remove some`, at),
};

function refused(code: ErrorCode, field: string, problem: string, position?: number): FlexemrError {
  return new FlexemrError(code, `${field}: ${problem}`, { field, position });
}

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'code' in error && 'position' in error;
}

/** What the component threw, as this package tells it. */
export function failureOf(error: unknown, given: Given): FlexemrError {
  if (isFailure(error)) return errorsByCode[error.code](error.position, given);
  if (error instanceof WebAssembly.RuntimeError) return outOfMemory(error);
  const message = `the component refuses this: ${(error as Error).message}`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'options', cause: error });
}

/** Only what finds no memory traps. */
function outOfMemory(cause: unknown): FlexemrError {
  const message =
    'the component found no memory in one piece and has ended: open another, with a smaller memoryBytes';
  return new FlexemrError('OUT_OF_MEMORY', message, { field: 'memory', cause });
}
