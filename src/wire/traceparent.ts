// The header `traceparent` of W3C Trace Context.
import type { TraceContext } from './trace.ts';

/** Version, trace, span and flags. Versions after 00 may add more fields. */
const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const zeros = /^0+$/;

/** The only flag whose meaning later versions keep. */
const sampled = 1;

/** Reads a header. A value that is not valid is as good as none: the trace then begins here. */
export function parseTraceparent(header: unknown): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = (typeof header === 'string' && shape.exec(header)) || [];
  if (version === undefined || version === 'ff' || zeros.test(traceId) || zeros.test(spanId))
    return undefined;
  const given = Number.parseInt(flags, 16);
  if (version === '00') return more === undefined ? { traceId, spanId, flags: given } : undefined;
  return { traceId, spanId, flags: given & sampled };
}

/** Writes the header in version 00. */
