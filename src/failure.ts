// Errors between threads, as data: only the name and message of a thrown error reach another thread.
import { type ErrorCode, FlexemrError } from './errors.ts';

export interface Failure {
  /** Undefined: it is not an error that this package raises on purpose. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly field: string | undefined;
  readonly position: number | undefined;
  /** Undefined if it cannot be sent to another thread. */
  readonly value: number | bigint | string | undefined;
  readonly node: string | undefined;
  readonly shard: number | undefined;
}

export function failureOf(error: unknown): Failure {
  const { message } = error as Error;
  if (!(error instanceof FlexemrError)) {
    const nothing = { field: undefined, position: undefined, value: undefined, node: undefined };
    return { code: undefined, message: String(message ?? error), ...nothing, shard: undefined };
  }
  const { code, field, position, value, node, shard } = error;
  const plain = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string';
  return { code, message, field, position, value: plain ? value : undefined, node, shard };
}

export function errorOf({ code, message, field, position, value, node, shard }: Failure): Error {
  if (code === undefined) return new Error(message);
  return new FlexemrError(code, message, { field, position, value, node, shard });
}
