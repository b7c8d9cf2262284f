// Where a request is in a trace, and what records spans. Nothing here knows a library.
import * as v from 'valibot';
import { integer, options, type Schema } from '../check.ts';

/** A span of a trace (W3C Trace Context, level 1). */
export interface TraceContext {
  /** 32 hexadecimal digits, in lower case. */
  readonly traceId: string;
  /** 16 hexadecimal digits, in lower case. */
  readonly spanId: string;
  /** 1: the trace is recorded. */
  readonly flags: number;
}

/** A span that has begun. */
export interface Span {
  /** What goes to the next process. */
  readonly context: TraceContext;
  /** Ends the span once. @param error why the work failed */
  end(error?: Error): void;
}

const hexadecimal = (digits: number): Schema<string> =>
  v.custom<string>(
    (value) =>
      typeof value === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`).test(value) && !/^0+$/.test(value),
    `${digits} hexadecimal digits in lower case, not all 0`,
  );

/** @internal */
export const traceContext: Schema<TraceContext> = options({
  traceId: hexadecimal(32),
  spanId: hexadecimal(16),
  flags: integer(0, 255),
});

export interface SpanOptions {
  readonly kind?: 'server' | 'client' | 'internal' | undefined;
  readonly attributes?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Other spans that this one works for, besides its parent. */
  readonly links?: readonly TraceContext[] | undefined;
}

/** Records spans. */
export interface Tracer {
  /** Begins a span. Without a parent it begins a trace. */
  start(name: string, parent: TraceContext | undefined, options?: SpanOptions): Span;
}
