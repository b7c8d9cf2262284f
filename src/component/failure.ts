import { type ErrorCode, FlexemrError } from '../errors.ts';

/** What wasm/flexemr.wit calls an error. */
interface Failure {
  readonly code: string;
  readonly position: number;
}

const meanings: Readonly<
  Record<string, { readonly code: ErrorCode; readonly problem: (at: number) => string }>
> = {
  'invalid-key': { code: 'INVALID_KEY', problem: (at) => `keys[${at}] is no row of the table` },
  'invalid-offsets': {
    code: 'INVALID_OFFSETS',
    problem: (at) => `offsets[${at}]: they begin with 0, never decrease and end with the number of keys`,
  },
  'invalid-weights': {
    code: 'INVALID_WEIGHTS',
    problem: () => 'weights: there must be as many as keys, and none for max',
  },
  'invalid-table': {
    code: 'INVALID_TABLE',
    problem: (at) => `its bytes are no whole rows of dim columns, or lengths do not fit (at ${at})`,
  },
  'limit-exceeded': { code: 'LIMIT_EXCEEDED', problem: (at) => `more than one call may give (${at})` },
};

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'code' in error && 'position' in error;
}

/** Does something in the component. @throws FlexemrError where it fails */
export function asked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const failure = error instanceof Error && 'payload' in error ? error.payload : error;
    if (isFailure(failure)) throw failed(failure);
    if (error instanceof WebAssembly.RuntimeError) throw outOfMemory(error);
    const message = `the component refuses this: ${(error as Error).message}`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'options', cause: error });
  }
}

function failed({ code, position }: Failure): FlexemrError {
  const meaning = meanings[code];
  return new FlexemrError(meaning.code, meaning.problem(position), { position });
}

/** Only what finds no memory traps, and who has trapped is entered no more. */
function outOfMemory(cause: unknown): FlexemrError {
  const message = 'the component found no memory and has ended: open another, with smaller tables or batches';
  return new FlexemrError('OUT_OF_MEMORY', message, { field: 'memory', cause });
}
