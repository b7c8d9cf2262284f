// A port over any handler, here over Fastify: the port's rules come first, and a port that closes cuts no answers.
import { once } from 'node:events';
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import Fastify from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HttpPort, type PortHandler } from '../../src/transport/http-port.ts';

const app = Fastify();
const { promise: released, resolve: release } = Promise.withResolvers<void>();
const large = 'x'.repeat(3_000_000);
let working = 0;
let served = 0;
const handler: PortHandler = {
  ready: true,
  get working() {
    return working > 0;
  },
  isPublic: ({ url }) => url === '/public',
  serve: (request, response) => {
    served++;
    app.routing(request, response);
  },
};
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const token = 'sesame';
const authorization = `Bearer ${token}`;
const at = { host: '127.0.0.1', port: 0, allowOrigin: 'https://app.example' };
let guarded: HttpPort;
let open: HttpPort;

beforeAll(async () => {
  app.get('/public', async () => 'public');
  app.post('/echo', async ({ body }) => body);
  app.get('/slow', async () => {
    working++;
    await released;
    working--;
    return large;
  });
  await app.ready();
  guarded = await HttpPort.open(handler, { ...at, security: { token } });
  open = await HttpPort.open(handler, at);
});

afterAll(async () => {
  agent.destroy();
  await Promise.all([guarded.close(), open.close()]);
  await app.close();
});

interface Asked {
  readonly headers?: OutgoingHttpHeaders;
  readonly method?: string;
  readonly body?: string;
}

async function ask(
  { port }: HttpPort,
  path: string,
  { body, ...asked }: Asked = {},
): Promise<{
  status: number | undefined;
  body: string;
  reused: boolean;
  headers: IncomingMessage['headers'];
}> {
  const asking = request({ agent, host: '127.0.0.1', port, path, ...asked });
  const [response] = (await once(asking.end(body), 'response')) as [IncomingMessage];
  const { statusCode: status, headers } = response;
  return { status, body: await text(response), reused: asking.reusedSocket, headers };
}

test('requests that the rules allow reach the handler, over one connection', async () => {
  const echo = {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: '[7]',
  };
  expect(await ask(guarded, '/echo', echo)).toMatchObject({ status: 200, body: '[7]' });
  expect(await ask(guarded, '/echo', echo)).toMatchObject({ status: 200, body: '[7]', reused: true });
  expect(await ask(guarded, '/public')).toMatchObject({ status: 200, body: 'public', reused: true });
  expect(served).toBe(3);
});

test('other requests do not reach the handler', async () => {
  const before = served;
  expect(await ask(guarded, '/slow')).toMatchObject({ status: 401 });
  expect(await ask(open, '/public', { headers: { host: 'site.example' } })).toMatchObject({ status: 421 });
  expect(await ask(open, '/healthz')).toMatchObject({ status: 200, body: '{"status":"alive"}\n' });
  const headers = { origin: at.allowOrigin, 'access-control-request-method': 'POST' };
  const preflight = await ask(guarded, '/echo', { method: 'OPTIONS', headers });
  expect(preflight).toMatchObject({
    status: 204,
    headers: { 'access-control-allow-origin': at.allowOrigin },
  });
  expect(served).toBe(before);
});

test('a port that closes waits for what its handler works on, and sends all of it', async () => {
  const port = await HttpPort.open(handler, at);
  const asked = ask(port, '/slow');
  while (working === 0) await new Promise(setImmediate);
  let closed = false;
  const closing = port.close().then(() => {
    closed = true;
  });
  // Longer than the port waits between two looks at its responses.
  await new Promise((waited) => setTimeout(waited, 50));
  expect(closed).toBe(false);
  release();
  expect(await asked).toMatchObject({ status: 200, body: large });
  await closing;
});
