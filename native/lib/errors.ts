import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** Where libibverbs' own words for an error and libuv's differ, the verbs' are kept. */
const namesFirst = ['EAGAIN', 'EOPNOTSUPP'] as const;

/** 'ENOMEM' for 12. */
function errnoName(errno: number): string {
  const values: Readonly<Record<string, number>> = constants.errno;
  const name = [...namesFirst, ...Object.keys(values)].find((known) => values[known] === errno);
  return name ?? `ERRNO_${errno}`;
}

function describe(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? `errno ${errno}`;
}

const explanations: Readonly<Record<string, string>> = {
  CLOSED: 'it is closed',
  LIBRARY_MISSING: 'libibverbs cannot be loaded',
  ADDON_MISSING: 'the add-on is not built; run: npm run build:native',
};

/** A verb that failed: which one, on what, and why. */
export class IbverbsError extends Error {
  /** 'ibv_create_qp', or the call that never reached a verb. */
  readonly verb: string;
  /** What it was called on: a device, 'queue pair 17', … */
  readonly object: string;
  /** 0 where `code` is none of the system's. */
  readonly errno: number;
  /** 'ENOMEM', …; 'CLOSED'; 'LIBRARY_MISSING': libibverbs cannot be loaded; 'ADDON_MISSING': not built. */
  readonly code: string;
  /** Of postSends and postReceives: how many requests were taken before this one was refused. */
  readonly posted: number | undefined;

  constructor(
    verb: string,
    object: string,
    errno: number,
    more: { readonly code?: string; readonly detail?: string; readonly posted?: number } = {},
  ) {
    const code = more.code ?? errnoName(errno);
    const reason = explanations[code] ?? describe(errno);
    super(`${verb}, ${object}: ${code}, ${reason}${more.detail === undefined ? '' : ` (${more.detail})`}`);
    this.name = 'IbverbsError';
    this.verb = verb;
    this.object = object;
    this.errno = errno;
    this.code = code;
    this.posted = more.posted;
  }
}
