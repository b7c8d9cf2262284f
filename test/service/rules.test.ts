// The service has the rules of memory nodes for who may ask.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { certificates } from '../60.transport/certificates.ts';
import { refused } from '../80.cli/command.ts';
import { Example } from './example.ts';
import { type Answer, Load } from './load.ts';
import { movies, type Started, started } from './ranker.ts';
import { added, Metrics } from './scrape.ts';

const token = 'a token of the tests';
const dir = mkdtempSync(join(tmpdir(), 'flexemr-rules-'));
let requests: Example;
beforeAll(async () => {
  requests = await Example.open();
  const { ca, node } = certificates;
  const files = { token: token.replaceAll(' ', '-'), ca, cert: node.cert, key: node.key };
  for (const [name, content] of Object.entries(files)) writeFileSync(file(name), content);
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string): string {
  return join(dir, name);
}

const tls = (): string[] => ['--cert', file('cert'), '--key', file('key')];

describe('a start is refused', () => {
  test.for<[string, () => string[], RegExp]>([
    [
      'for other machines without protection',
      () => ['--host', '0.0.0.0'],
      /INVALID_OPTION: listening on 0\.0\.0\.0 lets anyone/,
    ],
    [
      'with TLS, which protects nobody',
      () => ['--host', '0.0.0.0', ...tls()],
      /INVALID_OPTION: listening on/,
    ],
    [
      'with a certificate and no key',
      () => ['--cert', file('cert')],
      /INVALID_OPTION: TLS needs a certificate and its key/,
    ],
    ['with a CA and no certificate', () => ['--ca', file('ca')], /INVALID_OPTION: .*mutual TLS needs both/],
    [
      'with an address that it does not have',
      () => ['--host', '192.0.2.1', '--insecure'],
      /UNAVAILABLE: cannot listen on 192\.0\.2\.1/,
    ],
    ['with an origin that is none', () => ['--allow-origin', 'app.example'], /INVALID_OPTION: allowOrigin/],
  ])('%s', ([, options, line]) => {
    refused(['rank', ...movies, ...options()], 1, line);
  });

  test('with a deadline of lookups, because requests have deadlines of their own', () => {
    refused(['rank', ...movies, '--nodes', '2', '--deadline', '100'], 2, /unknown option '--deadline'/);
  });
});

describe('a service without a token', () => {
  const { url } = inject('service');

  test('does not answer to the names of web sites', async () => {
    using load = new Load(url);
    for (const path of ['/', '/v2', '/healthz', '/metrics', '/v1/rank']) {
      const { status, text: said } = await load.ask(path, { headers: { host: 'site.example' } });
      expect([path, status]).toEqual([path, 421]);
      expect(JSON.parse(said).error.message).toContain('--allow-host');
    }
    for (const host of ['localhost:8080', '127.0.0.1', 'ranker', '[::1]:80', 'app.localhost'])
      expect((await load.ask('/v2', { headers: { host } })).status).toBe(200);
  });

  test('allows no page of another origin', async () => {
    using load = new Load(url);
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
    const { status } = await load.ask('/v1/rank', { method: 'OPTIONS', headers });
    expect(status).toBe(405);
  });
});

describe('a service with a token and an allowed origin', () => {
  const origin = 'https://app.example';
  const authorization = `Bearer ${token.replaceAll(' ', '-')}`;
  let of: Started;
  beforeAll(async () => {
    const host = ['--host', '0.0.0.0', '--token-file', file('token'), '--allow-origin', origin];
    of = await started(...movies, ...host, '--log-level', 'silent', '--no-metrics');
  });
  afterAll(async () => await of?.service[Symbol.asyncDispose]());
  const url = (): string => of.ready.url.replace('0.0.0.0', '127.0.0.1');

  const closed = [
    ...['/v2', '/v2/health/live', '/v2/health/ready', '/v2/models/model', '/v2/models/model/ready'],
    ...[
      '/v2/models/model/infer',
      '/v1/rank',
      '/v1/cluster',
      '/metrics',
      '/openapi.json',
      '/nowhere',
      '/page/none',
      '/?x',
    ],
  ];
  test.for(closed)('asks for the token at %s', async (path) => {
    using load = new Load(url());
    for (const given of [undefined, 'Bearer another', authorization.toLowerCase(), `${authorization}x`]) {
      const headers = given === undefined ? {} : { authorization: given };
      for (const method of ['GET', 'POST', 'HEAD'])
        expect((await load.ask(path, { method, headers })).status).toBe(401);
    }
    expect((await load.ask(path, { headers: { authorization } })).status).not.toBe(401);
  });

  test.for(['/healthz', '/readyz', '/', '/page/page.js', '/page/page.css', '/page/uPlot.js'])(
    'answers everybody at %s',
    async (path) => {
      using load = new Load(url());
      // With a token it answers to every name.
      expect((await load.ask(path, { headers: { host: 'site.example' } })).status).toBe(200);
    },
  );

  test('answers the preflight requests of pages of this origin, which have no token', async () => {
    const asked = { origin, 'access-control-request-method': 'POST' };
    for (const path of ['/v1/rank', '/v2/models/model/infer', '/metrics']) {
      const { status, headers } = await fetch(url() + path, { method: 'OPTIONS', headers: asked });
      expect(status).toBe(204);
      expect(Object.fromEntries(headers)).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers':
          'authorization, content-type, traceparent, inference-header-content-length',
        'access-control-max-age': '7200',
      });
    }
    const answers = await Promise.all(
      [{ origin, authorization }, { origin }].map((headers) => fetch(`${url()}/v2`, { headers })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 401]);
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-expose-headers')).toContain('inference-header-content-length');
    }
  });

  test('has no metrics if it was told to count nothing', async () => {
    using load = new Load(url());
    expect((await load.ask('/metrics', { headers: { authorization } })).status).toBe(404);
  });

  test('scores with the token, and its log is as quiet as it was told', async () => {
    using load = new Load(url());
    const headers = { authorization, 'content-type': 'application/json' };
    const body = JSON.stringify(requests.call(0, 2));
    expect((await load.ask('/v1/rank', { method: 'POST', headers, body })).status).toBe(200);
    of.service.child.kill('SIGTERM');
    expect(await of.service.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe.for(['TLS', 'mutual TLS'] as const)('a service with %s', (how) => {
  const isMutual = how === 'mutual TLS';
  let of: Started;
  beforeAll(async () => {
    of = await started(...movies, ...tls(), ...(isMutual ? ['--ca', file('ca')] : []));
  });
  afterAll(async () => await of?.service[Symbol.asyncDispose]());

  async function ask(trust: object, path: string, body?: object): Promise<Answer> {
    const agent = new HttpsAgent({ keepAlive: false, ...trust });
    const headers = { 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    const sending = httpsRequest(`${of.ready.url}${path}`, { agent, method, headers });
    sending.end(JSON.stringify(body));
    const [response] = await once(sending, 'response');
    return { status: response.statusCode, text: await text(response) };
  }
  const rank = async (trust: object): Promise<number> =>
    (await ask(trust, '/v1/rank', requests.call(0, 2))).status;

  test('answers who trusts it, and whom it trusts', async () => {
    const { ca, stranger, ranker, node } = certificates;
    expect(of.ready.url).toMatch(/^https:/);
    expect(await rank({ ca, ...ranker })).toBe(200);
    await expect(rank({ ca: stranger, ...ranker })).rejects.toThrow(/certificate/);
    const unknown = { ca };
    if (isMutual) {
      await expect(rank(unknown)).rejects.toThrow();
      await expect(rank({ ca, ...node })).rejects.toThrow();
    } else expect(await rank(unknown)).toBe(200);
    // Without TLS there is no answer.
    await expect(fetch(of.ready.url.replace('https', 'http'))).rejects.toThrow();
  });

  test('counts the bytes of its connections, with what TLS adds', async () => {
    const { ca, ranker } = certificates;
    const metrics = new Metrics(
      of.ready.url,
      async (url) => (await ask({ ca, ...ranker }, new URL(url).pathname)).text,
    );
    const before = await metrics.samples();
    const call = requests.call(0, 50);
    const answer = await ask({ ca, ...ranker }, '/v1/rank', call);
    const done = added(before, await metrics.samples());
    expect(done.flexemr_http_received_bytes_total).toBeGreaterThan(JSON.stringify(call).length);
    expect(done.flexemr_http_sent_bytes_total).toBeGreaterThan(answer.text.length);
  });
});
