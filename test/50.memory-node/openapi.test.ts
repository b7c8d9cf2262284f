// Checks that a node gives the answers that docs/openapi.json documents, and no others.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { type ErrorCode, FlexemrError } from '../../src/index.ts';
import { jsonBytesMax } from '../../src/limits.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { metricsType } from '../../src/transport/http-answer.ts';
import { Listener } from '../../src/transport/listener.ts';
import { PortCounts } from '../../src/transport/port-stats.ts';
import type { Handler, Inbox } from '../../src/wire/handler.ts';
import { HEADER_BYTES } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Reply } from '../../src/wire/reply.ts';
import { codeOf, httpStatusOf, statusOf } from '../../src/wire/status.ts';
import { Cluster } from '../cluster.ts';
import { localNode } from '../local-node.ts';
import { parseMetrics } from '../metrics-text.ts';
import { frameOf, lookupFrame, segmentOf } from './lookups.ts';
import { RawPeer } from './raw-peer.ts';
import { wholeNumbers } from './whole-numbers.ts';

const root = join(import.meta.dirname, '../..');

interface Content {
  readonly schema: object;
  readonly example?: unknown;
}
interface Documented {
  readonly headers?: Record<string, { readonly schema: object }>;
  readonly content?: Record<string, Content>;
}
interface Operation {
  readonly requestBody?: { readonly content: Record<string, Content> };
  readonly responses: Record<string, Documented>;
}
const text = readFileSync(join(root, 'docs/openapi.json'), 'utf8');
const doc = JSON.parse(text) as {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, { properties?: Record<string, object> }> };
};
const ajv = new Ajv2020({ allErrors: true, formats: {} });
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

/** A response, over any kind of connection. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const security = { token: 'open sesame' };
const authorization = `Bearer ${security.token}`;

/** A complete node, whose workers are threads. */
let live: MemoryNodeHost;
let routing: RoutingTable;
/** A node in this thread. Tests can fill its memory or let its JSON lookups fail. */
let cluster: Cluster;
let handler: Handler;
let lookupJson: Handler['lookupJson'] | undefined;
/** Nodes in this thread: one is draining, and one gives requests very little time to arrive. */
let draining: Listener;
let hasty: Listener;

beforeAll(async () => {
  const wrap = (own: Handler): Handler => ({
    admit: (bytes) => own.admit(bytes),
    refuse: (id, error) => own.refuse(id, error),
    describe: () => own.describe(),
    get ready() {
      return own.ready;
    },
    lookupJson: (body) => (lookupJson ?? own.lookupJson.bind(own))(body),
  });
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, slotBytes: 2 ** 22, wrap });
  routing = cluster.routing;
  [handler] = cluster.handlers.values();
  const options = { tables: cluster.file, routing, node: 'n0' };
  live = await MemoryNodeHost.start({ ...options, workers: 2, security });
  const drained = await localNode(options);
  drained.drain();
  const metrics = (): Promise<string> => Promise.reject(new FlexemrError('UNAVAILABLE', 'no answer'));
  const room = { counts: new PortCounts(), metrics };
  draining = await Listener.open(drained, { host: '127.0.0.1', port: 0 }, undefined, room);
  hasty = await Listener.open(handler, { host: '127.0.0.1', port: 0, stuckMs: 200 });
});
afterAll(async () => {
  await live?.close();
  await draining?.close();
  await hasty?.close();
  await cluster?.[Symbol.asyncDispose]();
});

async function get(url: string, headers: Record<string, string> = { authorization }): Promise<Answer> {
  return await answerOf(fetch(url, { headers }));
}

async function post(url: string, type: string, body: BodyInit, token = authorization): Promise<Answer> {
  const headers = { authorization: token, 'content-type': type };
  return await answerOf(
    fetch(`${url}/v1/lookup`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit),
  );
}

async function answerOf(response: Promise<Response>): Promise<Answer> {
  const { status, headers, ...rest } = await response.then(async (had) => {
    return { status: had.status, headers: had.headers, body: new Uint8Array(await had.arrayBuffer()) };
  });
  return { status, headers, ...rest };
}

/** Sends the text of a request. @returns the answer, when the received text matches `wanted` */
async function raw(port: number, request: string, wanted = /\r\n\r\n/): Promise<Answer> {
  const peer = new RawPeer(port);
  peer.send(request);
  const all = await peer.take((received) =>
    wanted.test(received.toString('latin1')) ? received.length : undefined,
  );
  peer.close();
  const end = all.indexOf('\r\n\r\n');
  const [first, ...fields] = all.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Headers(fields.map((field) => field.split(/: ?(.*)/).slice(0, 2) as [string, string]));
  return { status: Number(first.split(' ')[1]), headers, body: Uint8Array.from(all.subarray(end + 4)) };
}

const local = (): string => cluster.nodes[0].url;
const jsonOf = (value: unknown): string => JSON.stringify(value);
const frames = (url: string, frame: Uint8Array<ArrayBuffer>): Promise<Answer> => post(url, frameType, frame);
const asks = (url: string, body: unknown): Promise<Answer> => post(url, 'application/json', jsonOf(body));
const upgrade = (port: number, token: string): Promise<Answer> =>
  raw(
    port,
    `GET /v1/stream HTTP/1.1\r\nHost: n\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\nAuthorization: ${token}\r\n\r\n`,
    /HTTP\/1.1 101 .*\r\n\r\n|\}\n/s,
  );

/** Runs `work` while the node in this thread has no memory left. */
async function crowded(work: () => Promise<Answer>): Promise<Answer> {
  const taken: Inbox[] = [];
  for (let bytes = 16_384; bytes >= HEADER_BYTES; bytes /= 2) {
    for (let inbox = handler.admit(bytes); !('code' in inbox); inbox = handler.admit(bytes))
      taken.push(inbox);
  }
  try {
    return await work();
  } finally {
    for (const inbox of taken) inbox.release();
  }
}

async function failing(error: Error): Promise<Answer> {
  lookupJson = () => Promise.reject(error);
  try {
    return await asks(local(), { bags: {} });
  } finally {
    lookupJson = undefined;
  }
}

const end = {
  ...{ version: 1, queuePair: 5, packetNumber: 7, gid: '0'.repeat(32) },
  ...{ mtu: 1024, readsInFlight: 1 },
};
const slots = { address: 4096, rkey: 9, count: 4, bytes: 1024 };
const connecting = { ...end, replies: slots, requestBytes: 256 };

/** Asks a node that seems to serve RDMA. If the request wants no READs in flight, it is overloaded. */
async function connect(body: string): Promise<Answer> {
  hasty.rdma = {
    plan: 'fedcba9876543210',
    connect({ readsInFlight }, onEnd) {
      if (readsInFlight === 0) throw new FlexemrError('OVERLOADED', 'no memory');
      setTimeout(onEnd);
      const shard = { shard: 0, version: 1, address: 0, rkey: 1, begin: 0, rows: 5, rowBytes: 64 };
      return { answer: JSON.stringify({ ...end, requests: slots, shards: [shard] }), follow() {}, end() {} };
    },
  };
  return await answerOf(fetch(`http://127.0.0.1:${hasty.port}/v1/rdma/connect`, { method: 'POST', body }));
}

async function connectTo(url: string, headers: Record<string, string>): Promise<Answer> {
  return await answerOf(fetch(`${url}/v1/rdma/connect`, { method: 'POST', headers, body: '{}' }));
}

const rowsOf = (count: number): number[] => Array.from({ length: count }, (_, i) => i % 40);
const bags = { sum: { keys: [1, 2], lengths: [2] } };

/** Provokes each answer that the document lists. */
const provoked: Record<string, () => Promise<Answer>> = {
  'post /v1/lookup 200 application/x-flexemr': () => frames(live.url, lookupFrame(routing, 'sum', [1, 2])),
  'post /v1/lookup 200 application/json': () =>
    asks(live.url, {
      bags: {
        ...bags,
        f: {
          table: 'idMean',
          keys: ['1', 2, '18446744073709551615'],
          offsets: [0, 1],
          weights: [1, 'NaN', 0],
        },
        none: { keys: [1, 0, 41], offsets: [0] },
      },
      onMissing: 'skip',
    }),
  'post /v1/lookup 400 application/x-flexemr': () => frames(live.url, new Uint8Array(64)),
  'post /v1/lookup 401 application/json': () =>
    post(live.url, frameType, new Uint8Array(64), 'Bearer sesame'),
  'post /v1/lookup 404 application/json': () =>
    asks(live.url, { bags: { nowhere: { keys: [], offsets: [] } } }),
  'post /v1/lookup 408 ': () => raw(hasty.port, 'POST /v1/lookup HTTP/1.1\r\nHost: n\r\nConte'),
  'post /v1/lookup 409 application/x-flexemr': () =>
    frames(live.url, frameOf(routing, [segmentOf(routing, 'sum', [1])], { plan: 1n })),
  'post /v1/lookup 411 application/json': () =>
    post(live.url, frameType, new Blob([new Uint8Array(64)]).stream()),
  'post /v1/lookup 413 application/x-flexemr': () => frames(local(), new Uint8Array(2 ** 20)),
  'post /v1/lookup 413 application/json': () =>
    post(live.url, 'application/json', new Uint8Array(jsonBytesMax + 1)),
  'post /v1/lookup 415 application/json': () => post(live.url, 'text/plain', 'bags'),
  'post /v1/lookup 422 application/x-flexemr': () => frames(live.url, lookupFrame(routing, 'sum', [1, 40])),
  'post /v1/lookup 422 application/json': () =>
    asks(live.url, { bags: { sum: { keys: [1, 40], offsets: [0] } } }),
  'post /v1/lookup 429 application/x-flexemr': () =>
    crowded(() => frames(local(), lookupFrame(routing, 'sum', [1]))),
  'post /v1/lookup 429 application/json': () => crowded(() => asks(local(), { bags })),
  'post /v1/lookup 500 application/json': () => failing(new TypeError('out of its mind')),
  'post /v1/lookup 503 application/x-flexemr': () =>
    frames(`http://127.0.0.1:${draining.port}`, lookupFrame(routing, 'sum', [1])),
  'post /v1/lookup 503 application/json': () => asks(`http://127.0.0.1:${draining.port}`, { bags }),
  'post /v1/lookup 504 application/x-flexemr': () =>
    frames(local(), frameOf(routing, [segmentOf(routing, 'sum', rowsOf(150_000))], { timeLeftUs: 1 })),
  'post /v1/lookup 504 application/json': () => failing(new FlexemrError('DEADLINE_EXCEEDED', 'too late')),
  'get /v1/tables 200 application/json': () => get(`${live.url}/v1/tables`),
  'get /v1/tables 401 application/json': () => get(`${live.url}/v1/tables`, {}),
  [`get /metrics 200 ${metricsType}`]: () => get(`${live.url}/metrics`),
  'get /metrics 401 application/json': () => get(`${live.url}/metrics`, {}),
  'get /metrics 503 application/json': () => get(`http://127.0.0.1:${draining.port}/metrics`, {}),
  'get /v1/stream 101 ': () => upgrade(live.ports[1], authorization),
  'get /v1/stream 401 application/json': () => upgrade(live.ports[1], 'Bearer '),
  'get /v1/stream 426 application/json': () => get(`${live.url}/v1/stream`),
  'get /v1/stream 503 application/json': () => upgrade(draining.port, ''),
  'post /v1/rdma/connect 200 application/json': () => connect(jsonOf(connecting)),
  'post /v1/rdma/connect 401 application/json': () => connectTo(live.url, {}),
  'post /v1/rdma/connect 404 application/json': () => connectTo(live.url, { authorization }),
  'post /v1/rdma/connect 413 application/json': () => connect(' '.repeat(5_000)),
  'post /v1/rdma/connect 422 application/json': () => connect(jsonOf({ ...connecting, mtu: 7 })),
  'post /v1/rdma/connect 429 application/json': () => connect(jsonOf({ ...connecting, readsInFlight: 0 })),
  'get /healthz 200 application/json': () => get(`${live.url}/healthz`, {}),
  'get /readyz 200 application/json': () => get(`${live.url}/readyz`, {}),
  'get /readyz 503 application/json': () => get(`http://127.0.0.1:${draining.port}/readyz`, {}),
};

/** The documentation of an answer. */
function documented(method: string, path: string, status: string): Documented {
  return doc.paths[path][method].responses[status];
}

test('the document lists the answers that are provoked here, and no others', () => {
  const listed = Object.entries(doc.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) =>
      Object.entries(responses).flatMap(([status, { content = { '': {} } }]) =>
        Object.keys(content).map((type) => `${method} ${path} ${status} ${type}`),
      ),
    ),
  );
  expect(listed.sort()).toEqual(Object.keys(provoked).sort());
});

test.for(Object.entries(provoked))('%s', async ([name, provoke]) => {
  const [method, path, status, ...words] = name.split(' ');
  const type = words.join(' ');
  const answer = await provoke();
  expect({ status: answer.status, type: answer.headers.get('content-type') ?? '' }).toEqual({
    status: Number(status),
    type,
  });
  const { headers = {}, content = {} } = documented(method, path, status);
  for (const [header, { schema }] of Object.entries(headers)) {
    const value = answer.headers.get(header);
    expectValid(schema, value !== null && /^\d+$/.test(value) ? Number(value) : value);
  }
  if (type === 'application/json') {
    const body: unknown = JSON.parse(new TextDecoder().decode(answer.body));
    expectValid(content[type].schema, body);
    const { error } = body as { error?: { code: ErrorCode } };
    // The statuses 404, 411, 415 and 426 are about HTTP itself; all others follow from the error.
    const own =
      answer.status === 404 ? error?.code === 'INVALID_OPTION' : [411, 415, 426].includes(answer.status);
    if (error && !own) expect(httpStatusOf(statusOf(error.code))).toBe(answer.status);
  } else if (type === frameType) {
    const { error } = new Reply(answer.body);
    expect(error === undefined ? 200 : httpStatusOf(statusOf(error.code))).toBe(answer.status);
  } else if (type === metricsType) parseMetrics(new TextDecoder().decode(answer.body));
  else expect(answer.body).toHaveLength(0);
});

test('lookups that are answered match the schema, and so does the example', async () => {
  const { schema, example } = doc.paths['/v1/lookup'].post.requestBody?.content['application/json'] ?? {};
  if (schema === undefined) throw new Error('the document has no schema of a lookup');
  expectValid(schema, example);
  expectValid(schema, { bags, onMissing: 'skip' });
  const wrong = [
    [],
    {},
    { bags, mode: 'sum' },
    { bags: { f: { keys: [1] } } },
    { bags: { f: { keys: [0.5], offsets: [] } } },
  ];
  for (const body of wrong) {
    expect(() => expectValid(schema, body)).toThrow();
    expect((await asks(live.url, body)).status).not.toBe(200);
  }
});

test('the documented codes are those of errors, and each has the documented status', () => {
  const codes = Array.from({ length: 40 }, (_, i) => i + 1).flatMap((status) => {
    const own = codeOf(status);
    return statusOf(own) === status ? [own] : [];
  });
  const error = doc.components.schemas.Error.properties?.error as
    | { readonly properties: { readonly code: { readonly enum: readonly string[] } } }
    | undefined;
  expect(error?.properties.code.enum).toEqual(codes);
  const { responses } = doc.paths['/v1/lookup'].post;
  for (const each of codes) {
    const listed = responses[String(httpStatusOf(statusOf(each)))] as { description: string };
    expect(listed.description).toContain(each);
  }
});

test('the document lists every path that is served', () => {
  const source = ['http-port', 'listener']
    .map((name) => readFileSync(join(root, `src/transport/${name}.ts`), 'utf8'))
    .join();
  const served = new Set([...source.matchAll(/url === '(\/[^']*)'/g)].map(([, path]) => path));
  expect([...served].sort()).toEqual(Object.keys(doc.paths).sort());
});

describe('requests that are not in the document are answered by 404 and an error', () => {
  const paths = [
    '/',
    '/v1',
    '/v1/',
    '/v1/lookup/',
    '/v1/Lookup',
    '/v1/tables?all',
    '/v2/tables',
    '//healthz',
    '/%00',
  ];
  const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
  const known = Object.entries(doc.paths).flatMap(([path, own]) =>
    methods.filter((method) => !(method.toLowerCase() in own)).map((method) => [method, path] as const),
  );
  test.for([...paths.map((path) => ['GET', path] as const), ...known])('%s %s', async ([method, path]) => {
    const answer = await answerOf(fetch(`${live.url}${path}`, { method, headers: { authorization } }));
    expect(answer.status).toBe(404);
    expectValid(doc.components.schemas.Error, JSON.parse(new TextDecoder().decode(answer.body)));
  });

  test('a client without a token gets only 401', async () => {
    const answer = await get(`${live.url}/v1/secret`, {});
    expect(answer.status).toBe(401);
  });
});

test('an Upgrade to an unknown protocol is an ordinary request', async () => {
  const body = jsonOf({ bags });
  const request = [
    'POST /v1/lookup HTTP/1.1',
    'Host: n',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAEAAEAAAAIAAAAA',
    `Authorization: ${authorization}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
  const answer = await raw(live.ports[0], request, /\}\n/);
  expect(answer.status).toBe(200);
});
