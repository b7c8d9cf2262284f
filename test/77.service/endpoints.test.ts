// What the service says of itself and of its model, what it passes on, and how it says that it failed.
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import { openRoutes } from '../../src/service/routes.ts';
import { requestOf } from './drawn-requests.ts';
import { FakeScoring, signature } from './fake-scoring.ts';
import { bodyOf, first, writeInfer } from './write-infer.ts';

const scoring = new FakeScoring();
let app: FastifyInstance;
beforeAll(async () => {
  app = await openRoutes(scoring);
});
afterAll(async () => await app?.close());

const model = `/v2/models/${encodeURIComponent(signature.name)}`;
const version = `${model}/versions/${signature.version}`;

test('the deadline and the trace go to the scorer', async () => {
  const written = writeInfer(requestOf(1), first);
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const send = async (parameters: object, traceparent?: string): Promise<object | undefined> => {
    const { payload, headers } = bodyOf({ ...written, json: { ...written.json, parameters } });
    const given = traceparent === undefined ? headers : { ...headers, traceparent };
    await app.inject({ method: 'POST', url: `${model}/infer`, payload, headers: given });
    return scoring.options.at(-1);
  };
  expect(await send({}, trace)).toMatchObject({
    deadline: undefined,
    topK: undefined,
    trace: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 1 },
  });
  expect(await send({ deadline_ms: 60_000, top_k: 3 }, `${trace}-`)).toMatchObject({
    topK: 3,
    trace: undefined,
  });
  const { deadline } = scoring.options.at(-1) ?? {};
  expect(deadline).toBeGreaterThan(0);
  expect(deadline).toBeLessThanOrEqual(60_000);
  for (const wrong of ['', '00', trace.toUpperCase(), trace.replace('b7ad6b7169203331', '0'.repeat(16))])
    expect(await send({}, wrong)).toMatchObject({ trace: undefined });
});

describe('metadata', () => {
  test.for([
    [
      '/v2',
      200,
      { name: 'flexemr', version: expect.any(String), extensions: ['binary_tensor_data', 'parameters'] },
    ],
    ['/v2/health/live', 200, { live: true }],
    ['/v2/health/ready', 200, { ready: true }],
    [`${model}/ready`, 200, { name: signature.name, ready: true }],
    [`${version}/ready`, 200, { name: signature.name, ready: true }],
    [model, 200, { name: signature.name, versions: [signature.version], platform: 'flexemr' }],
    ['/v2/models/other', 404, { error: expect.stringMatching(/no model "other", but "films/) }],
    [`${model}/versions/1`, 404, { error: expect.stringMatching(/no version "1"/) }],
    ['/v2/models', 404, { error: expect.any(String) }],
    ['/v2/%', 400, { error: expect.any(String) }],
    [`/v2/models/%ff`, 400, { error: expect.any(String) }],
    [`${model}/infer`, 405, { error: 'GET is not allowed here; use POST' }],
    ['/nowhere', 404, { error: expect.objectContaining({ code: 'INVALID_OPTION', field: 'url' }) }],
  ] as [string, number, object][])('GET %s', async ([url, status, body]) => {
    for (const path of url === '/v2' ? ['/v2', '/v2/'] : [url]) {
      const reply = await app.inject({ method: 'GET', url: path });
      expect([reply.statusCode, reply.json()]).toEqual([status, expect.objectContaining(body)]);
      expect(reply.headers['content-type']).toBe('application/json');
    }
  });

  test('names what the model takes, and a request made of it is taken', async () => {
    const { inputs, outputs } = (await app.inject(version)).json() as {
      inputs: { name: string; datatype: string; shape: number[] }[];
      outputs: object[];
    };
    expect(outputs).toEqual([
      { name: 'score', datatype: 'FP32', shape: [-1] },
      { name: 'vector', datatype: 'FP32', shape: [-1, 2] },
      { name: 'toString', datatype: 'FP32', shape: [-1] },
    ]);
    const written = inputs.map((input) => {
      const shape = input.shape.map((size) => (size >= 0 ? size : input.name.endsWith('__offsets') ? 2 : 1));
      const data = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i);
      return { ...input, shape, data };
    });
    const body = bodyOf({ json: { inputs: written }, binary: undefined });
    expect((await app.inject({ method: 'POST', url: `${model}/infer`, ...body })).statusCode).toBe(200);
    expect(scoring.requests.pop()?.bags.genres).toMatchObject({ keys: BigInt64Array.of(0n) });
  });
});

test.for([
  ['OVERLOADED', 429, { 'retry-after': '1' }],
  ['UNAVAILABLE', 503, { 'retry-after': '1' }],
  ['RELEASED', 503, { 'retry-after': '1' }],
  ['STALE_ROUTING', 503, { 'retry-after': '1' }],
  ['DEADLINE_EXCEEDED', 504, {}],
  ['LIMIT_EXCEEDED', 413, {}],
  ['OUT_OF_MEMORY', 413, {}],
  ['INVALID_KEY', 400, {}],
  ['UNAUTHORIZED', 500, {}],
  ['UNKNOWN_TABLE', 500, {}],
  ['WORKER_FAILED', 503, { 'retry-after': '1' }],
] as const)('an error %s of the scorer is a status %i', async ([code, status, headers]) => {
  scoring.error = new FlexemrError(code, 'it says why');
  const reply = await app.inject({
    method: 'POST',
    url: `${model}/infer`,
    ...bodyOf(writeInfer(requestOf(1), first)),
  });
  expect([reply.statusCode, reply.json()]).toEqual([status, { error: 'it says why' }]);
  expect(reply.headers).toMatchObject(headers);
  scoring.error = undefined;
});

test('a service that is not ready says so', async () => {
  const starting = await openRoutes(scoring, { ready: () => false });
  const statuses = [
    await starting.inject('/v2/health/live'),
    await starting.inject('/v2/health/ready'),
    await starting.inject(`${model}/ready`),
    await starting.inject({
      method: 'POST',
      url: `${model}/infer`,
      ...bodyOf(writeInfer(requestOf(1), first)),
    }),
    await starting.inject({ method: 'POST', url: '/v1/rank', payload: {} }),
  ].map(({ statusCode }) => statusCode);
  expect(statuses).toEqual([200, 503, 503, 503, 503]);
  await starting.close();
});

test('a model may have a long name', async () => {
  const name = 'Ü'.repeat(500);
  const own = { signature: { ...signature, name }, score: () => Promise.reject() };
  const routes = await openRoutes(own);
  expect((await routes.inject(`/v2/models/${encodeURIComponent(name)}`)).json()).toMatchObject({ name });
  await routes.close();
});
