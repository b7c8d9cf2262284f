// Spans by OpenTelemetry. This is the only file that knows its API, and it loads the API only where an SDK is registered.
import type * as Api from '@opentelemetry/api';
import { FlexemrError } from '../errors.ts';
import { packageVersion } from '../kernel/files.ts';
import type { Attribute, Span, SpanOptions, TraceContext, Tracer } from '../wire/trace.ts';

/** Where every copy of the API, version 1, keeps what an SDK has registered. */
const registry = Symbol.for('opentelemetry.js.api.1');

interface Registered {
  readonly trace?: Api.TracerProvider;
  readonly context?: Api.ContextManager;
}

/**
 * A tracer that gives spans to the OpenTelemetry SDK of this thread. Undefined if none is registered yet.
 * @throws MISSING_DEPENDENCY if an SDK is registered, but this package cannot load the API
 */
export async function loadTracer(): Promise<Tracer | undefined> {
  const registered = (globalThis as { readonly [registry]?: Registered })[registry];
  if (registered?.trace === undefined) return undefined;
  const api = await import('@opentelemetry/api').catch((cause: Error) => {
    const message = `an OpenTelemetry SDK is registered, so flexemr needs the package @opentelemetry/api: install it beside flexemr (${cause.message})`;
    throw new FlexemrError('MISSING_DEPENDENCY', message, { field: '@opentelemetry/api', cause });
  });
  // The API of this package may be another copy than that of the SDK. A copy of another version finds no provider.
  return new OpenTelemetry(api, registered.trace.getTracer('flexemr', packageVersion()), registered.context);
}

class OpenTelemetry implements Tracer {
  readonly #api: typeof Api;
  readonly #tracer: Api.Tracer;
  readonly #contexts: Api.ContextManager | undefined;

  constructor(api: typeof Api, tracer: Api.Tracer, contexts: Api.ContextManager | undefined) {
    this.#api = api;
    this.#tracer = tracer;
    this.#contexts = contexts;
  }

  start(name: string, parent: TraceContext | undefined, options: SpanOptions = {}): Span {
    const { kind = 'internal', attributes = {}, links = [], since } = options;
    const { ROOT_CONTEXT, SpanKind, trace } = this.#api;
    const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };
    // What a server answers comes from another process.
    const isRemote = kind === 'server';
    const within = parent && trace.setSpanContext(ROOT_CONTEXT, { ...spanContextOf(parent), isRemote });
    const now = performance.now();
    const origin = Date.now() - now;
    const how = {
      kind: kinds[kind],
      attributes,
      links: links.map((link) => ({ context: spanContextOf(link) })),
      startTime: origin + (since ?? now),
    };
    return new OpenSpan(this.#api, this.#tracer.startSpan(name, how, within ?? ROOT_CONTEXT), origin);
  }

  active(): TraceContext | undefined {
    const { trace } = this.#api;
    const context = this.#contexts && trace.getSpanContext(this.#contexts.active());
    return context && trace.isSpanContextValid(context) ? traceOf(context) : undefined;
  }
}

class OpenSpan implements Span {
  readonly context: TraceContext;
  readonly #api: typeof Api;
  readonly #span: Api.Span;
  readonly #origin: number;

  /** @param origin ms since 1970 when `performance.now()` was 0, as the clock says at the start of the span */
  constructor(api: typeof Api, span: Api.Span, origin: number) {
    this.context = traceOf(span.spanContext());
    this.#api = api;
    this.#span = span;
    this.#origin = origin;
  }

  set(attribute: string, value: Attribute): void {
    this.#span.setAttribute(attribute, value);
  }

  end(error?: Error): void {
    if (error !== undefined) {
      this.#span.setAttribute('error.type', error instanceof FlexemrError ? error.code : error.name);
      this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: error.message });
    }
    this.#span.end(this.#origin + performance.now());
  }
}

function traceOf({ traceId, spanId, traceFlags }: Api.SpanContext): TraceContext {
  return { traceId, spanId, flags: traceFlags };
}

function spanContextOf({ traceId, spanId, flags }: TraceContext): Api.SpanContext {
  return { traceId, spanId, traceFlags: flags };
}
