// What a client gets for an error: a status, headers, and the fields of the body.
import { type ErrorCode, FlexemrError } from '../errors.ts';
import { httpStatusOf, statusOf } from '../wire/status.ts';

/** An error about HTTP itself, which has a status of its own. */
export class HttpError extends FlexemrError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    field: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super('INVALID_OPTION', message, { field });
    this.status = status;
    this.headers = headers;
  }
}

export interface Failure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly field: string | undefined;
    readonly position: number | undefined;
  };
  readonly cause: FlexemrError;
  /** An error that nobody expected. It goes to the log, and only there. */
  readonly unexpected: Error | undefined;
}

/** How errors are answered. */
export type ErrorForm = (failure: Failure) => { readonly status: number; readonly body: object };

/** An error of the Open Inference Protocol, which has one status for all wrong requests. */
export const inferenceError: ErrorForm = ({ status, error }) => {
  return { status: status === 422 ? 400 : status, body: { error: error.message } };
};

/** All other errors, as of memory nodes. */
export const plainError: ErrorForm = ({ status, error }) => ({ status, body: { error } });

/** Errors between the scorer and its memory nodes, and what they are for a client, whose fault they are not. */
const behind: { readonly [Code in ErrorCode]?: ErrorCode } = {
  UNAUTHORIZED: 'NODE_FAILED',
  INVALID_FRAME: 'NODE_FAILED',
  UNSUPPORTED_VERSION: 'NODE_FAILED',
  UNKNOWN_TABLE: 'NODE_FAILED',
  STALE_ROUTING: 'UNAVAILABLE',
  STALE_ROWS: 'UNAVAILABLE',
  // The thread is replaced.
  WORKER_FAILED: 'UNAVAILABLE',
  RELEASED: 'UNAVAILABLE',
  CANCELLED: 'UNAVAILABLE',
  // Of one request: its bags and results need more memory than one lookup may use.
  OUT_OF_MEMORY: 'LIMIT_EXCEEDED',
};

/** What to answer. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof FlexemrError)) {
    const known = errorOf(error);
    return { ...failureOf(known), unexpected: known instanceof HttpError ? undefined : asError(error) };
  }
  const { message, field, position } = error;
  const code = behind[error.code] ?? error.code;
  const status = error instanceof HttpError ? error.status : httpStatusOf(statusOf(code));
  const own = error instanceof HttpError ? error.headers : {};
  const headers = status === 429 || status === 503 ? { ...own, 'retry-after': '1' } : own;
  return { status, headers, error: { code, message, field, position }, cause: error, unexpected: undefined };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Fastify's own errors about a request have a status. */
function errorOf(error: unknown): FlexemrError {
  const { statusCode = 500, message = '' } = (error ?? {}) as { statusCode?: number; message?: string };
  if (statusCode >= 400 && statusCode < 500) return new HttpError(statusCode, 'request', message);
  return new FlexemrError('NODE_FAILED', 'the service failed; its log says why', { cause: error });
}

/** A place in a request. */
export interface Place {
  readonly field: string;
  readonly position?: number | undefined;
}

/**
 * The error of a scorer, in the words of the client.
 * @param placeOf where the client gave an array of bags, such as `genres.keys`, or an element of it
 */
export function inWordsOf(
  error: unknown,
  placeOf: (field: string, position: number | undefined) => Place | undefined,
): unknown {
  if (!(error instanceof FlexemrError) || error.field === undefined) return error;
  const place = placeOf(error.field, error.position);
  if (place === undefined) return error;
  const [was, is] = [placeText(error as Place), placeText(place)];
  const { code, message, value, node, shard, cause } = error;
  const text = message.startsWith(was) ? `${is}${message.slice(was.length)}` : `${is}: ${message}`;
  return new FlexemrError(code, text, { ...place, value, node, shard, cause });
}

/** `field` or `field[position]`. */
export function placeText({ field, position }: Place): string {
  return position === undefined ? field : `${field}[${position}]`;
}
