import type { ErrorCode } from '../errors.ts';
import * as wire from './layout.ts';

/** The errors that a node answers with: their number in a reply's header, and their HTTP status. */
const statuses: readonly { readonly code: ErrorCode; readonly status: number; readonly http: number }[] = [
  { code: 'INVALID_FRAME', status: wire.STATUS_INVALID_FRAME, http: 400 },
  { code: 'UNSUPPORTED_VERSION', status: wire.STATUS_UNSUPPORTED_VERSION, http: 400 },
  { code: 'INVALID_KEY', status: wire.STATUS_INVALID_KEY, http: 422 },
  { code: 'INVALID_OFFSETS', status: wire.STATUS_INVALID_OFFSETS, http: 422 },
  { code: 'INVALID_WEIGHTS', status: wire.STATUS_INVALID_WEIGHTS, http: 422 },
  { code: 'INVALID_OPTION', status: wire.STATUS_INVALID_OPTION, http: 422 },
  { code: 'STALE_ROUTING', status: wire.STATUS_STALE_ROUTING, http: 409 },
  { code: 'LIMIT_EXCEEDED', status: wire.STATUS_LIMIT_EXCEEDED, http: 413 },
  { code: 'OVERLOADED', status: 9, http: 429 },
  { code: 'UNAVAILABLE', status: wire.STATUS_UNAVAILABLE, http: 503 },
  { code: 'DEADLINE_EXCEEDED', status: 11, http: 504 },
  { code: 'NODE_FAILED', status: 12, http: 500 },
  { code: 'INVALID_BAGS', status: 13, http: 422 },
  { code: 'UNKNOWN_TABLE', status: 14, http: 404 },
  { code: 'UNAUTHORIZED', status: 15, http: 401 },
];

/** The codes of the errors that a node answers with. */
export const answeredCodes: readonly ErrorCode[] = statuses.map(({ code }) => code);

/** Number of an error in a reply's header; 0 means none. */
export function statusOf(code: ErrorCode): number {
  return statuses.find((entry) => entry.code === code)?.status ?? statusOf('NODE_FAILED');
}

/** The error for a number in a reply's header. A number from a later version becomes NODE_FAILED. */
export function codeOf(status: number): ErrorCode {
  return statuses.find((entry) => entry.status === status)?.code ?? 'NODE_FAILED';
}

/** HTTP status for a reply's status; 0 gives 200. */
export function httpStatusOf(status: number): number {
  if (status === 0) return 200;
  return statuses.find((entry) => entry.status === status)?.http ?? 500;
}
