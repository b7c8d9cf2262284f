import type { Attribute, Span, SpanOptions, TraceContext, Tracer } from '../src/wire/trace.ts';

/** A span that was begun, and what became of it. */
export interface Recorded {
  readonly name: string;
  readonly parent: TraceContext | undefined;
  readonly context: TraceContext;
  readonly kind: SpanOptions['kind'];
  readonly attributes: Record<string, Attribute>;
  /** How often it has ended. */
  ends: number;
  error: Error | undefined;
}

/** A tracer that keeps its spans, in the order in which they begin. */
export class FakeTracer implements Tracer {
  readonly spans: Recorded[] = [];
  /** What `active` returns. */
  current: TraceContext | undefined;

  start(name: string, parent: TraceContext | undefined, { kind, attributes }: SpanOptions = {}): Span {
    const number = (this.spans.length + 1).toString(16);
    const traceId = parent?.traceId ?? number.padStart(32, 'f');
    const context = { traceId, spanId: number.padStart(16, '5'), flags: parent?.flags ?? 1 };
    const span: Recorded = {
      ...{ name, parent, context, kind, attributes: { ...attributes } },
      ...{ ends: 0, error: undefined },
    };
    this.spans.push(span);
    return {
      context,
      set(attribute, value) {
        span.attributes[attribute] = value;
      },
      end(error) {
        span.ends++;
        span.error = error;
      },
    };
  }

  active(): TraceContext | undefined {
    return this.current;
  }

  /** The spans of a name. */
  named(name: string): Recorded[] {
    return this.spans.filter((span) => span.name === name);
  }
}
