import type { ErrorCode } from '../errors.ts';

/** Why a request to a server of tables has failed. */
export class RangeFault extends Error {
  /** The code of the error for the caller. Undefined if the request may succeed when it is repeated. */
  readonly code: ErrorCode | undefined;
  /** What the user can do. */
  readonly advice: string;
  /** Time that the server wants to be left alone. */
  readonly waitMs: number;

  /** @param problem "the server …" */
  constructor(code: ErrorCode | undefined, problem: string, advice: string, waitMs = 0) {
    super(problem);
    this.code = code;
    this.advice = advice;
    this.waitMs = waitMs;
  }
}

/** A fault that may pass. */
export function passing(problem: string, waitMs = 0): RangeFault {
  return new RangeFault(undefined, problem, 'Check the server and the network, then load again', waitMs);
}
