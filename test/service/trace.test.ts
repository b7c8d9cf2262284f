// The trace of a request to score, from its client through the service to two nodes, as a collector gets it.
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { example } from '../80.cli/command.ts';
import { type CollectedSpan, Collector, nodeOf } from '../85.system/collector.ts';
import { Example, jsonTensor } from './example.ts';
import { Load } from './load.ts';
import { nodesOf, type Started, startedWith, tables } from './ranker.ts';

/** Kinds of spans in OTLP. */
const [internal, server, client] = [1, 2, 3];
const otel = join(import.meta.dirname, '../85.system/otel.ts');
const halves = ['bottom.onnx', 'top.onnx'].map((name) => join(example, name));
/** A batch begins as soon as it is full. */
const batchCandidates = 5;
const batching = ['--batch-candidates', String(batchCandidates), '--batch-delay', '1000'];

let requests: Example;
let collector: Collector;
let of: Started;
beforeAll(async () => {
  requests = await Example.open();
  collector = await Collector.start();
  const env = {
    NODE_OPTIONS: `--import ${otel}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
  };
  of = await startedWith(env, ...tables, '--dense', ...halves, '--nodes', '2', ...batching);
});
afterAll(async () => {
  await of?.service[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  collector.spans.length = 0;
});

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
/** The span of a client in a trace of its own. */
const spanOf = (number: number): { readonly traceId: string; readonly spanId: string } => {
  return { traceId: hex(number + 0xabc, 32), spanId: hex(number + 0xdef, 16) };
};

/** Sends candidates [begin, end). @param trace undefined: without a context */
async function infer(load: Load, begin: number, end: number, trace: number | undefined): Promise<number> {
  const { traceId, spanId } = spanOf(trace ?? 0);
  const headers = {
    'content-type': 'application/json',
    ...(trace === undefined ? {} : { traceparent: `00-${traceId}-${spanId}-01` }),
  };
  const body = JSON.stringify({ inputs: requests.tensors(begin, end).map(jsonTensor) });
  const path = `/v2/models/${of.ready.model}/infer`;
  for (;;) {
    const { status } = await load.ask(path, { method: 'POST', headers, body });
    // It is refused if the machine is busy, and has then no span but that of the request.
    if (status !== 429) return status;
  }
}

/** All spans of one name, of which there is one. */
function only(name: string): CollectedSpan {
  const [span, ...others] = collector.named(name);
  expect(others, name).toEqual([]);
  return span ?? expect.fail(`there is no span ${name}`);
}

const attributesOf = ({ attributes }: CollectedSpan): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
const route = '/v2/models/:model/infer';
const requestSpan = `POST ${route}`;

test.for([0, undefined])('is whole (the context of the client: %s)', async (trace) => {
  using load = new Load(of.ready.url);
  expect(await infer(load, 0, batchCandidates, trace)).toBe(200);
  await expect.poll(() => collector.spans.length).toBe(10);
  const { pid } = of.service;
  const asked = only(requestSpan);
  const known = trace === undefined ? undefined : spanOf(trace);
  expect(asked).toMatchObject({ kind: server, pid });
  expect(asked.parentSpanId || undefined).toBe(known?.spanId);
  expect(attributesOf(asked)).toEqual({
    'http.request.method': 'POST',
    'http.route': route,
    'http.response.status_code': 200,
  });
  const traceId = known?.traceId ?? asked.traceId;
  for (const span of collector.spans) expect(span).toMatchObject({ traceId, status: {} });
  const [score, batch] = [only('score'), only('batch')];
  expect(score).toMatchObject({ kind: internal, parentSpanId: asked.spanId, pid });
  expect(batch).toMatchObject({ kind: internal, parentSpanId: score.spanId, pid });
  expect(attributesOf(batch)['flexemr.requests']).toBe(1);
  for (const name of ['lookup', 'bottom', 'top'])
    expect(only(name)).toMatchObject({ kind: internal, parentSpanId: batch.spanId, pid });
  const [subrequests, answers] = ['subrequest', 'answer'].map((name) => collector.named(name));
  const ofLookup = { kind: client, parentSpanId: only('lookup').spanId, pid };
  expect(subrequests).toMatchObject([ofLookup, ofLookup]);
  expect(answers).toMatchObject(subrequests.map(({ spanId }) => ({ kind: server, parentSpanId: spanId })));
  for (const spans of [subrequests, answers]) expect(spans.map(nodeOf)).toEqual(['node0', 'node1']);
  expect(answers.map((span) => span.pid).toSorted()).toEqual(nodesOf(of.service).toSorted());
});

test('requests of one batch have traces of their own, and the batch has links to all but its own', async () => {
  using load = new Load(of.ready.url, batchCandidates);
  const numbers = Array.from({ length: batchCandidates }, (_, i) => i);
  const all = await Promise.all(numbers.map((i) => infer(load, i, i + 1, i + 1)));
  expect(all).toEqual(numbers.map(() => 200));
  const scored = (): CollectedSpan[] =>
    collector.named(requestSpan).filter((span) => attributesOf(span)['http.response.status_code'] === 200);
  await expect.poll(() => scored().length).toBe(batchCandidates);
  await expect.poll(() => collector.named('batch').length).toBe(1);
  const scores = collector.named('score');
  expect(scores.map(({ traceId }) => traceId).toSorted()).toEqual(numbers.map((i) => spanOf(i + 1).traceId));
  const batch = only('batch');
  const own = scores.find(({ spanId }) => spanId === batch.parentSpanId) ?? expect.fail('no parent');
  expect(batch.traceId).toBe(own.traceId);
  const others = scores.filter((span) => span !== own);
  const linked = ({ traceId, spanId }: { traceId: string; spanId: string }): string => `${traceId} ${spanId}`;
  expect(batch.links?.map(linked).toSorted()).toEqual(others.map(linked).toSorted());
  expect(attributesOf(batch)['flexemr.requests']).toBe(batchCandidates);
});

test('a wrong request is no error of the service, but one of its score', async () => {
  using load = new Load(of.ready.url);
  const call = requests.call(0, batchCandidates) as { candidates: Record<string, unknown>[] };
  call.candidates[2].movie = 1_000_000;
  expect((await load.post('/v1/rank', call)).status).toBe(422);
  await expect.poll(() => collector.named('POST /v1/rank').length).toBe(1);
  const asked = only('POST /v1/rank');
  expect(asked.status.code ?? 0).toBe(0);
  expect(attributesOf(asked)).toMatchObject({ 'http.response.status_code': 422 });
  expect(attributesOf(only('score'))).toMatchObject({ 'error.type': 'INVALID_KEY' });
});

test('other requests have no spans', async () => {
  using load = new Load(of.ready.url);
  for (const path of ['/v2', '/metrics', '/healthz', '/', '/nowhere', '/v1/rank']) await load.ask(path);
  expect((await load.post('/v1/rank', requests.call(0, batchCandidates))).status).toBe(200);
  await expect.poll(() => collector.named('POST /v1/rank').length).toBe(1);
  const names = new Set(collector.spans.map(({ name }) => name));
  expect([...names].toSorted()).toEqual([
    'POST /v1/rank',
    'answer',
    'batch',
    'bottom',
    'lookup',
    'score',
    'subrequest',
    'top',
  ]);
});
