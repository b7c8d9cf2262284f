// Where a request is in a trace, and what records spans. Nothing here knows a library.
import * as v from 'valibot';
import { integer, options, type Schema } from '../check.ts';

/** A span of a trace (W3C Trace Context, level 1). */
export interface TraceContext {
  /** 32 hexadecimal digits in lower case, not all 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case, not all 0. */
  readonly spanId: string;
  /** 0 to 255. The lowest bit: the trace is recorded. */
  readonly flags: number;
}

/** @internal */
export const traceContext: Schema<TraceContext> = options({
  traceId: digits(32),
  spanId: digits(16),
  flags: integer(0, 255),
});

function digits(count: number): Schema<string> {
  const wanted = `${count} hexadecimal digits in lower case, not all 0`;
  return v.custom<string>((id) => typeof id === 'string' && id.length === count && isId(id), wanted);
}

function isId(id: string): boolean {
  return /^[0-9a-f]+$/.test(id) && !/^0+$/.test(id);
}

export type Attribute = string | number | boolean;

/** A span that has begun. */
export interface Span {
  /** What goes to the next process. */
  readonly context: TraceContext;
  /** Adds what is only known now. */
  set(attribute: string, value: Attribute): void;
  /** Ends the span once. @param error why the work failed */
  end(error?: Error): void;
}

export interface SpanOptions {
  readonly kind?: 'server' | 'client' | 'internal' | undefined;
  readonly attributes?: Readonly<Record<string, Attribute>> | undefined;
  /** Other spans that this one works for, besides its parent. */
  readonly links?: readonly TraceContext[] | undefined;
  /** `performance.now()` when the work began; default: now. */
  readonly since?: number | undefined;
}

/** Records spans. */
export interface Tracer {
  /** Begins a span. Without a parent it begins a trace. */
  start(name: string, parent: TraceContext | undefined, options?: SpanOptions): Span;
  /** The span that the program has made active where it calls this, if there is one. */
  active(): TraceContext | undefined;
}
