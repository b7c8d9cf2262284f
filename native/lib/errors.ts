import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** Names to prefer for errors that have two names in `constants.errno`: libibverbs uses these. */
const namesFirst = ['EAGAIN', 'EOPNOTSUPP'] as const;

/** The name of an errno: 'ENOMEM' for 12. */
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

/** Says which verb failed, on which object, and why. */
export class IbverbsError extends Error {
  /** 'ibv_create_qp', …, or the call that failed before it reached a verb. */
  readonly verb: string;
  /** The object of the call: a device, 'queue pair 17', … */
  readonly object: string;
  /** 0 if `code` is not an error code of the system. */
  readonly errno: number;
  /** 'ENOMEM', …; 'CLOSED'; 'LIBRARY_MISSING': libibverbs cannot be loaded; 'ADDON_MISSING': no add-on was built. */
  readonly code: string;
  /** For postSends and postReceives only: how many requests were posted before one was refused. */
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
