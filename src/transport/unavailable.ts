import { FlexemrError } from '../errors.ts';

/** The error of a worker that cannot be reached, or went away with subrequests in hand. */
export function unavailable(url: string, problem: string, cause?: unknown): FlexemrError {
  const why = cause instanceof Error ? ` (${reasonOf(cause)})` : '';
  return new FlexemrError('UNAVAILABLE', `memory node at ${url} ${problem}${why}`, {
    field: 'url',
    value: url,
    cause,
  });
}

/** Errors of sockets often have the reason in their code or cause, and nothing in their message. */
function reasonOf(error: Error): string {
  const { code, cause } = error as Error & { code?: string };
  if (code !== undefined) return code;
  return cause instanceof Error ? reasonOf(cause) : error.message;
}

/** The error of a node that wants another token. */
export function unauthorized(url: string): FlexemrError {
  const message = `memory node at ${url} refuses this ranker: give the node's token`;
  return new FlexemrError('UNAUTHORIZED', message, { field: 'token', value: url });
}

/** The error of who sends by a transport that was closed. */
export function released(url: string): FlexemrError {
  const message = `the way to the memory node at ${url} was closed by this ranker`;
  return new FlexemrError('RELEASED', message, { field: 'url', value: url });
}
