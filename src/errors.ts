/** What went wrong, for programs. The message is for people. */
export type ErrorCode =
  | 'INVALID_KEY'
  | 'INVALID_OFFSETS'
  | 'INVALID_WEIGHTS'
  | 'INVALID_BAGS'
  | 'INVALID_TABLE'
  | 'INVALID_OPTION'
  | 'INVALID_FILE'
  | 'UNKNOWN_TABLE'
  | 'LIMIT_EXCEEDED'
  | 'OUT_OF_MEMORY'
  | 'RELEASED'
  | 'WORKER_FAILED'
  | 'MISSING_DEPENDENCY'
  | 'INVALID_ROUTING'
  | 'CONFLICT'
  | 'UPDATES_LOST'
  | 'INVALID_FRAME'
  | 'UNSUPPORTED_VERSION'
  | 'STALE_ROUTING'
  | 'STALE_ROWS'
  | 'UNAUTHORIZED'
  | 'OVERLOADED'
  | 'UNAVAILABLE'
  | 'NODE_FAILED'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED';

/** Where it went wrong: the field, the position in it and the value found there; the node and the shard, if known. */
export interface ErrorPlace {
  readonly field?: string | undefined;
  readonly position?: number | undefined;
  readonly value?: unknown;
  readonly node?: string | undefined;
  /** Number of the shard in the routing table. */
  readonly shard?: number | undefined;
  readonly cause?: unknown;
}

/** Every error this package raises on purpose. One bad input gives exactly one of these. */
export class FlexemrError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly position: number | undefined;
  readonly value: unknown;
  readonly node: string | undefined;
  readonly shard: number | undefined;

  constructor(code: ErrorCode, message: string, place?: ErrorPlace) {
    super(typeof message === 'string' ? message : show(message), causeOf(place));
    this.name = 'FlexemrError';
    this.code = code;
    this.field = place?.field;
    this.position = place?.position;
    this.value = place?.value;
    this.node = place?.node;
    this.shard = place?.shard;
  }
}

function causeOf(place: ErrorPlace | undefined): ErrorOptions | undefined {
  return place?.cause === undefined ? undefined : { cause: place.cause };
}

/** The error of one element of an array: "field[position] = value problem". */
export function invalidAt(
  code: ErrorCode,
  field: string,
  position: number,
  value: unknown,
  problem: string,
): FlexemrError {
  return new FlexemrError(code, `${field}[${position}] = ${show(value)} ${problem}`, {
    field,
    position,
    value,
  });
}

/** Describes any value in a few words. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value));
  if (Array.isArray(value)) return 'an array';
  if (ArrayBuffer.isView(value))
    return withArticle((value as Partial<Uint8Array>)[Symbol.toStringTag] ?? 'view');
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return 'an object';
  return value === undefined ? 'nothing' : shorten(String(value));
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 63)}…` : text;
}

/** "a Uint8Array", "an Int8Array". */
export function withArticle(noun: string): string {
  return `${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`;
}
