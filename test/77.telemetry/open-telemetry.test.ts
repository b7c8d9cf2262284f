// Spans that the SDK of OpenTelemetry gets.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlexemrError, loopbackCluster, openRanker } from '../../src/index.ts';
import { loadTracer } from '../../src/telemetry/open-telemetry.ts';
import type { TraceContext, Tracer } from '../../src/wire/trace.ts';
import { anyTrace } from '../40.wire/any-trace.ts';
import { main, Running, requestsFile, tablesFile } from '../80.cli/command.ts';
import { runs } from '../runs.ts';

const exporter = new InMemorySpanExporter();

function register(ratio = 1): void {
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  new NodeTracerProvider({ sampler: new TraceIdRatioBasedSampler(ratio), spanProcessors }).register();
}

async function loaded(): Promise<Tracer> {
  return (await loadTracer()) ?? expect.fail('there is no tracer');
}

function contextOf(span: ReadableSpan): TraceContext {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceId, spanId, flags: traceFlags };
}

beforeEach(() => register());
afterEach(() => {
  exporter.reset();
  trace.disable();
  context.disable();
});

test('there is no tracer before an SDK is registered', async () => {
  trace.disable();
  expect(await loadTracer()).toBeUndefined();
});

test('spans are those that were begun', async () => {
  const tracer = await loaded();
  const attributes = fc.dictionary(
    fc.constantFrom('a.b', 'c'),
    fc.oneof(fc.string(), fc.integer(), fc.boolean()),
  );
  const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };
  const kind = fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[]));
  const error = fc.option(fc.constantFrom(new Error('plain'), new FlexemrError('OVERLOADED', 'full')));
  fc.assert(
    fc.property(
      fc.record({
        parent: fc.option(anyTrace),
        attributes,
        kind,
        error,
        links: fc.array(anyTrace, { maxLength: 3 }),
      }),
      (given) => {
        exporter.reset();
        const { parent, error, ...options } = given;
        const span = tracer.start('name', parent ?? undefined, options);
        expect(exporter.getFinishedSpans()).toEqual([]);
        span.set('later', 7);
        span.end(error ?? undefined);
        const [got, ...others] = exporter.getFinishedSpans();
        expect(others).toEqual([]);
        expect(contextOf(got)).toEqual(span.context);
        expect(span.context.traceId === parent?.traceId).toBe(parent !== null);
        expect(got.parentSpanContext?.spanId).toBe(parent?.spanId);
        expect(got.parentSpanContext?.isRemote).toBe(parent ? given.kind === 'server' : undefined);
        expect(got.kind).toBe(kinds[given.kind]);
        expect(got.links.map(({ context }) => context.spanId)).toEqual(
          given.links.map(({ spanId }) => spanId),
        );
        const type = error && (error instanceof FlexemrError ? error.code : 'Error');
        expect(got.attributes).toEqual({
          ...given.attributes,
          later: 7,
          ...(type && { 'error.type': type }),
        });
        const failed = { code: SpanStatusCode.ERROR, message: error?.message };
        expect(got.status).toEqual(error ? failed : { code: SpanStatusCode.UNSET });
      },
    ),
    { numRuns: runs.spans },
  );
});

test('the scope is this package', async () => {
  (await loaded()).start('name', undefined).end();
  const { name, version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  expect(exporter.getFinishedSpans()[0].instrumentationScope).toMatchObject({ name, version });
});

test('a span can begin before it is known that there is one', async () => {
  const before = performance.now() - 3_000;
  const earliest = Date.now() - 3_001;
  (await loaded()).start('name', undefined, { since: before }).end();
  const [{ duration, startTime }] = exporter.getFinishedSpans();
  expect(duration[0]).toBeGreaterThanOrEqual(3);
  expect(startTime[0] * 1e3 + startTime[1] / 1e6).toBeGreaterThanOrEqual(earliest);
  expect(startTime[0] * 1e3 + startTime[1] / 1e6).toBeLessThanOrEqual(Date.now() - 3_000);
});

test('a span is as long as the clock of the process says, in parts of a millisecond', async () => {
  const tracer = await loaded();
  for (let i = 0; i < 20; i++) {
    const span = tracer.start('name', undefined);
    const from = performance.now();
    while (performance.now() - from < 0.3);
    span.end();
  }
  const lengths = exporter.getFinishedSpans().map(({ duration }) => duration[0] * 1e3 + duration[1] / 1e6);
  // Times since 1970 are rounded to 0.0003 ms.
  for (const ms of lengths) expect(ms).toBeGreaterThan(0.299);
});

test('a span that is not sampled is passed on as such', async () => {
  trace.disable();
  register(0);
  const span = (await loaded()).start('name', undefined);
  const id = expect.stringMatching(/[^0]/);
  expect(span.context).toEqual({ traceId: id, spanId: id, flags: 0 });
  span.end();
  expect(exporter.getFinishedSpans()).toEqual([]);
});

describe('lookups over nodes in this process', () => {
  const keys = [0, 1, 300, 610];
  const bags = { user: { keys, offsets: [0] } };

  test('are children of the active span, and have a span for each node', async () => {
    const { routing, transport } = await loopbackCluster({ tables: tablesFile, nodes: 2, split: 'row' });
    await using ranker = await openRanker({ routing, transport });
    const outer = trace.getTracer('test').startSpan('outer');
    await context.with(trace.setSpan(context.active(), outer), () => ranker.lookup(bags));
    outer.end();
    const spans = exporter.getFinishedSpans();
    const named = (name: string): ReadableSpan[] => spans.filter((span) => span.name === name);
    const parents = (name: string): unknown[] => named(name).map((span) => span.parentSpanContext?.spanId);
    const ids = (name: string): string[] => named(name).map((span) => span.spanContext().spanId);
    expect(spans.map(({ name }) => name).sort()).toEqual([
      'answer',
      'answer',
      'lookup',
      'outer',
      'subrequest',
      'subrequest',
    ]);
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(parents('lookup')).toEqual(ids('outer'));
    expect(parents('subrequest')).toEqual([...ids('lookup'), ...ids('lookup')]);
    expect(parents('answer').sort()).toEqual(ids('subrequest').sort());
    expect(
      named('answer')
        .map(({ attributes }) => attributes['flexemr.keys'])
        .sort(),
    ).toEqual([1, 3]);
  });

  test('without an active span begin a trace each', async () => {
    const { routing, transport } = await loopbackCluster({ tables: tablesFile, nodes: 1 });
    await using ranker = await openRanker({ routing, transport });
    for (let i = 0; i < 2; i++) await ranker.lookup(bags);
    const lookups = exporter.getFinishedSpans().filter(({ name }) => name === 'lookup');
    expect(lookups.map(({ parentSpanContext }) => parentSpanContext)).toEqual([undefined, undefined]);
    expect(new Set(lookups.map((span) => span.spanContext().traceId)).size).toBe(2);
  });
});

describe('if flexemr cannot load the package of the API', () => {
  const env = { NODE_OPTIONS: `--import ${join(import.meta.dirname, 'without-api.ts')}` };

  test.for([
    ['a ranker', ['--transport', 'loopback'], /^flexemr: MISSING_DEPENDENCY: /],
    ['a memory node', [], /^flexemr: NODE_FAILED: memory node node0 did not start: MISSING_DEPENDENCY: /],
  ] as const)('%s says so', async ([, options, line]) => {
    const asked = ['--tables', tablesFile, '--requests', requestsFile, '--out', '/dev/null', '--nodes', '1'];
    await using command = new Running([main, 'lookup', ...asked, ...options], process.execPath, env);
    const { code, stderr } = await command.ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^[^\n]*\n$/) });
    expect(stderr).toMatch(line);
    expect(stderr).toContain('@opentelemetry/api: install it');
  });
});
