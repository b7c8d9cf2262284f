// Receives spans by OTLP over HTTP, as JSON.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** The fields of a span that tests compare. */
export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number };
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Process id of its sender. */
  readonly pid: number;
}

interface Export {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly Omit<CollectedSpan, 'pid'>[] }[];
  }[];
}

export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  readonly #server: Server;

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const { resourceSpans } = (await json(request)) as Export;
      const pid = Number(request.headers['x-process']);
      for (const { scopeSpans } of resourceSpans)
        for (const { spans } of scopeSpans) this.spans.push(...spans.map((span) => ({ ...span, pid })));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`;
  }

  /** The spans of a name, in the order of their nodes. */
  named(name: string): CollectedSpan[] {
    const spans = this.spans.filter((span) => span.name === name);
    return spans.sort((a, b) => nodeOf(a).localeCompare(nodeOf(b)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The node that a span names. */
export function nodeOf({ attributes }: CollectedSpan): string {
  return String(attributes.find(({ key }) => key === 'flexemr.node')?.value.stringValue);
}
