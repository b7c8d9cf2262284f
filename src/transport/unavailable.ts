import { FlexemrError } from '../errors.ts';

/** The error if a worker cannot be reached, or if its connection is lost while subrequests are in flight. */
export function unavailable(url: string, problem: string, cause?: unknown): FlexemrError {
  const why = cause instanceof Error ? ` (${reasonOf(cause)})` : '';
  return new FlexemrError('UNAVAILABLE', `memory node at ${url} ${problem}${why}`, {
    field: 'url',
    value: url,
    cause,
  });
}

/** Socket errors often have their reason in their code or cause, and an empty message. */
function reasonOf(error: Error): string {
  const { code, cause } = error as Error & { code?: string };
  if (code !== undefined) return code;
  return cause instanceof Error ? reasonOf(cause) : error.message;
}

/** The error if a node expects another token. */
export function unauthorized(url: string): FlexemrError {
  const message = `memory node at ${url} refuses this ranker: give the node's token`;
  return new FlexemrError('UNAUTHORIZED', message, { field: 'token', value: url });
}

/** The error if a transport is used after it was closed. */
export function released(url: string): FlexemrError {
  const message = `the connection to the memory node at ${url} was closed by this ranker`;
  return new FlexemrError('RELEASED', message, { field: 'url', value: url });
}
