// Checks that a service gives the answers that docs/openapi-rank.json documents, and no others.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterStatus } from '../../src/host/cluster-status.ts';
import { type ErrorCode, FlexemrError } from '../../src/index.ts';
import { jsonBytesMax } from '../../src/limits.ts';
import { scoreBytesMax } from '../../src/scoring-limits.ts';
import { openRoutes } from '../../src/service/routes.ts';
import { httpStatusOf, statusOf } from '../../src/wire/status.ts';
import { runs } from '../runs.ts';
import { drawnRequest, requestOf } from './drawn-requests.ts';
import { FakeScoring, signature } from './fake-scoring.ts';
import { Port } from './port.ts';
import { readReply } from './read-reply.ts';
import { bodyOf, choices, first, writeInfer } from './write-infer.ts';
import { writeRank } from './write-rank.ts';

interface Content {
  readonly schema: object;
  readonly example?: unknown;
}
interface Documented {
  readonly headers?: Record<string, { readonly schema: object }>;
  readonly content: Record<string, Content>;
}
interface Operation {
  readonly requestBody?: { readonly content: Record<string, Content> };
  readonly responses: Record<string, Documented>;
}
const text = readFileSync(join(import.meta.dirname, '../../docs/openapi-rank.json'), 'utf8');
const doc = JSON.parse(text) as {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
};
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, formats: {} });
ajv.addVocabulary(['example']);
ajv.addSchema({ $id: 'doc', $defs: within(doc.components.schemas) });

/** Changes references to those of the schema that ajv has. */
function within(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', 'doc#/$defs/'));
}

function expectValid(schema: object, value: unknown): void {
  const validate = ajv.compile(within(schema));
  if (validate(value)) return;
  throw new Error(`${ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 300)}`);
}

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly rawPayload: Buffer;
}

const scoring = new FakeScoring();
const [one, other] = ['0123456789abcdef', 'fedcba9876543210'];
const release = { from: 's3', nodes: 1, tables: 2, shards: 3, versions: [1, 2] };
const known: ClusterStatus = {
  ...{ source: 'nats://127.0.0.1:4222/flexemr', revision: '7 1', previous: undefined },
  serving: { ...release, plan: one },
  next: { ...release, plan: other, from: undefined },
  nodes: [
    {
      ...{ node: 'a', url: 'http://a', answers: true, problem: undefined, plan: one, suspect: false },
      zone: 'z',
      releases: [
        { plan: one, state: 'ready' },
        { plan: other, state: 'failed', problem: 'no such file' },
      ],
      lease: {
        ...{ node: 'a', url: 'http://a', ports: [80], zone: 'z', version: '1.2.3', ageMs: 5 },
        room: { usedBytes: 1, totalBytes: 2 },
        releases: [{ plan: one, state: 'ready' }],
      },
    },
    {
      ...{ node: 'b', url: undefined, answers: false, problem: 'away', plan: undefined },
      ...{ zone: undefined, releases: undefined, suspect: true, lease: undefined },
    },
  ],
  rankers: [{ id: 'r', plan: one, since: '2026-11-30', version: '1.2.3', host: 'h', ageMs: 7 }],
};
let app: FastifyInstance;
let starting: FastifyInstance;
beforeAll(async () => {
  app = await openRoutes(scoring, { cluster: async () => known });
  const away = async (): Promise<never> => {
    throw new FlexemrError('INVALID_ROUTING', 'it is not JSON');
  };
  starting = await openRoutes(scoring, { ready: () => false, cluster: away });
});
afterAll(async () => {
  await app?.close();
  await starting?.close();
});

/** Gives an answer while the scorer fails. */
async function failing(error: Error, provoke: () => Promise<Answer>): Promise<Answer> {
  scoring.error = error;
  try {
    return await provoke();
  } finally {
    scoring.error = undefined;
  }
}

const own: Record<string, string> = {
  '{model}': encodeURIComponent(signature.name),
  '{version}': signature.version,
};
const written = writeInfer(requestOf(2), first, 'json');
const { payload } = bodyOf(written);
const json = { 'content-type': 'application/json' };
const call = Buffer.from(writeRank(requestOf(1), first));

type Provoked = Record<string, () => Promise<Answer>>;

/** Ways to get each answer to `POST url`. @param wrong a body that is wrong @param status of it */
function scored(url: string, body: Buffer, wrong: Buffer, status: number): Provoked {
  const post = (more: InjectOptions = {}): Promise<Answer> =>
    app.inject({ method: 'POST', url, headers: json, payload: body, ...more });
  const fail = (code: ErrorCode) => (): Promise<Answer> =>
    failing(new FlexemrError(code, 'it says why'), post);
  return {
    '200 application/json': post,
    [`${status} application/json`]: () => post({ payload: wrong }),
    '408 application/json': () => tooSlow(url),
    '413 application/json': () => post({ payload: Buffer.alloc(jsonBytesMax + 1, 32) }),
    '415 application/json': () => post({ headers: { 'content-type': 'text/plain' } }),
    '429 application/json': fail('OVERLOADED'),
    '500 application/json': () => failing(new TypeError('out of its mind'), post),
    '503 application/json': () => starting.inject({ method: 'POST', url, headers: json, payload: body }),
    '504 application/json': fail('DEADLINE_EXCEEDED'),
  };
}

/** A request that stalls, while others need its place. */
async function tooSlow(url: string): Promise<Answer> {
  const bodiesBytes = 65_536;
  const small = await openRoutes(scoring, { bodiesBytes });
  await using port = await Port.open(small);
  return await port.cutOff(url, bodiesBytes);
}

function inferred(url: string): Provoked {
  const binary = { ...written, json: { ...written.json, parameters: { binary_data_output: true } } };
  const odd = async (): Promise<Answer> => {
    scoring.valuesOf = (_name, length) => new Float32Array(length).fill(Number.NaN);
    try {
      return await app.inject({ method: 'POST', url, payload });
    } finally {
      scoring.valuesOf = new FakeScoring().valuesOf;
    }
  };
  return {
    ...scored(url, payload, Buffer.from('{}'), 400),
    '200 application/octet-stream': () => app.inject({ method: 'POST', url, ...bodyOf(binary) }),
    '404 application/json': () => app.inject({ method: 'POST', url: url.replace(/%2F[^/]*/, ''), payload }),
    '406 application/json': odd,
  };
}

const get =
  (url: string, from = () => app) =>
  (): Promise<Answer> =>
    from().inject(url);

/** Provokes each answer of a path. */
function provokedAt(path: string): Provoked {
  const url = path.replace(/\{\w+\}/g, (name) => own[name]);
  const other = path.replace(/\{\w+\}/g, 'other');
  if (path.endsWith('/infer')) return inferred(url);
  if (path === '/v1/cluster')
    return { '200 application/json': get(url), '503 application/json': get(url, () => starting) };
  if (path === '/v1/rank') return scored(url, call, Buffer.from('{}'), 422);
  const unknown: Provoked = path.includes('{') ? { '404 application/json': get(other) } : {};
  const unready: Provoked = path.endsWith('/ready')
    ? { '503 application/json': get(url, () => starting) }
    : {};
  return { '200 application/json': get(url), ...unknown, ...unready };
}

const methods = Object.entries(doc.paths).map(([path, operations]) => {
  const [[method, operation], ...others] = Object.entries(operations);
  if (others.length > 0) throw new Error(`${path} has several methods`);
  return { path, method, operation };
});

test('the document lists the answers that are provoked here, and no others', () => {
  for (const { path, operation } of methods) {
    const listed = Object.entries(operation.responses).flatMap(([status, { content }]) =>
      Object.keys(content).map((type) => `${status} ${type}`),
    );
    expect({ path, answers: listed.sort() }).toEqual({ path, answers: Object.keys(provokedAt(path)).sort() });
  }
});

const all = methods.flatMap(({ path, operation }) =>
  Object.entries(provokedAt(path)).map(
    ([name, provoke]) => [`${path} ${name}`, operation, name, provoke] as const,
  ),
);
test.for(all)('%s', async ([, { responses }, name, provoke]) => {
  const [status, type] = name.split(' ');
  const answer = await provoke();
  const body = answer.rawPayload;
  expect({ status: answer.statusCode, type: answer.headers['content-type'] }).toEqual({
    status: Number(status),
    type,
  });
  const { headers = {}, content } = responses[status];
  for (const [header, { schema }] of Object.entries(headers))
    expectValid(schema, Number(answer.headers[header]));
  if (type === 'application/octet-stream') {
    const bytes = Number(answer.headers['inference-header-content-length']);
    expectValid({ $ref: 'doc#/$defs/InferReply' }, JSON.parse(body.toString('utf8', 0, bytes)));
    readReply(body, answer.headers);
    return;
  }
  const value = JSON.parse(body.toString());
  expectValid(content[type].schema, value);
  const { code } = value.error ?? {};
  // The statuses 408 and 415 are about HTTP itself; all others follow from the error.
  if (code !== undefined && !['408', '415'].includes(status))
    expect(httpStatusOf(statusOf(code))).toBe(Number(status));
});

test('requests that are answered match the schemas', async () => {
  const schemaOf = (path: string): object =>
    doc.paths[path].post.requestBody?.content['application/json'].schema as object;
  const infer = ajv.compile(within(schemaOf('/v2/models/{model}/infer')));
  const rank = ajv.compile(within(schemaOf('/v1/rank')));
  await fc.assert(
    fc.asyncProperty(drawnRequest, choices, async (request, by) => {
      const sent = writeInfer(request, by);
      expect(infer(JSON.parse(JSON.stringify(sent.json))), ajv.errorsText(infer.errors)).toBe(true);
      const features = request.features.map(({ bags }) => ({
        bags: bags.slice(0, 1),
        weights: undefined,
        inverse: undefined,
      }));
      expect(rank(JSON.parse(writeRank({ ...request, features }, by))), ajv.errorsText(rank.errors)).toBe(
        true,
      );
    }),
    { numRuns: runs.scoreRequests / 4 },
  );
});

test('examples match the schemas', () => {
  const contents = methods.flatMap(({ operation }) => Object.values(operation.requestBody?.content ?? {}));
  const examples = contents.filter(({ example }) => example !== undefined);
  expect(examples).toHaveLength(3);
  for (const { schema, example } of examples) expectValid(schema, example);
});

test('the limits are those of the code', () => {
  expect(text).toContain(`"maximum": ${scoreBytesMax}`);
});

test('the service serves the document', async () => {
  expect((await app.inject('/openapi.json')).body).toBe(text);
});

test.for(methods)('$path answers other methods by 405', async ({ path, method }) => {
  const url = path.replace(/\{\w+\}/g, (name) => own[name]);
  const allowed = method === 'get' ? ['GET', 'HEAD'] : ['POST'];
  for (const other of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const) {
    if (allowed.includes(other)) continue;
    const { statusCode, headers, body } = await app.inject({ method: other, url });
    expect([statusCode, headers.allow]).toEqual([405, allowed.join(', ')]);
    const schema = path.startsWith('/v2') ? 'InferenceError' : 'Error';
    if (other !== 'HEAD') expectValid({ $ref: `doc#/$defs/${schema}` }, JSON.parse(body));
  }
});

test('a head is answered like a get', async () => {
  expect((await app.inject({ method: 'HEAD', url: '/v2/health/ready' })).statusCode).toBe(200);
});
