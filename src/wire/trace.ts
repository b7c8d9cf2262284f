// Where a request is in a trace, and what records spans. Nothing here knows a library.

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
