// Ordinary HTTP clients look up in JSON and in frames, and get the same as from a node in this thread.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as nodeRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import type { Handler } from '../../src/wire/handler.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Cluster } from '../cluster.ts';
import { lookupFrame, replyOf, timeless } from './lookups.ts';
import { wholeNumbers } from './whole-numbers.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'flexemr-clients-'));
const token = 'word of the day';

interface Asked {
  readonly url: string;
  readonly type: string;
  readonly body: Buffer;
}
interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}
type Client = (asked: Asked) => Promise<Answered>;

/** Runs a client program, which prints the status and the type, and writes the body to a file. */
async function byProgram(program: string, options: readonly string[], { body }: Asked): Promise<Answered> {
  const [sent, came] = [join(folder, 'sent'), join(folder, 'came')];
  writeFileSync(sent, body);
  const { stdout } = await run(program, [...options], { env: { ...process.env, SENT: sent, CAME: came } });
  const [status, type] = stdout.trim().split(' ');
  return { status: Number(status), type, body: readFileSync(came) };
}

const python = `
import http.client, os, sys, urllib.parse
url, kind, token = sys.argv[1:]
node = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
body = open(os.environ['SENT'], 'rb').read()
node.request('POST', '/v1/lookup', body, {'Content-Type': kind, 'Authorization': 'Bearer ' + token})
answer = node.getresponse()
open(os.environ['CAME'], 'wb').write(answer.read())
print(answer.status, answer.getheader('content-type'))
`;

const authorization = `Bearer ${token}`;

function curl(options: readonly string[], asked: Asked): Promise<Answered> {
  const told = [
    ...['--silent', '--show-error', '--max-time', '30', '--write-out', '%{http_code} %{content_type}'],
    ...['--header', `Content-Type: ${asked.type}`, '--header', `Authorization: ${authorization}`],
    ...['--data-binary', `@${join(folder, 'sent')}`, '--output', join(folder, 'came')],
  ];
  return byProgram('curl', [...options, ...told, `${asked.url}/v1/lookup`], asked);
}

/** Whether a program is installed. In CI, a missing program is an error; elsewhere it is a warning. */
function present(program: string): boolean {
  if (spawnSync(program, ['--version']).error === undefined) return true;
  if (process.env.CI) throw new Error(`${program} is not installed`);
  console.warn(`NOT TESTED: ${program} is not installed here`);
  return false;
}

const clients: Record<string, Client> = {
  ...(present('curl') && {
    curl: (asked: Asked) => curl([], asked),
    'curl that offers HTTP/2': (asked: Asked) => curl(['--http2'], asked),
  }),
  ...(present('python3') && {
    'http.client of Python': (asked: Asked) =>
      byProgram('python3', ['-c', python, asked.url, asked.type, token], asked),
  }),
  'request of undici': async ({ url, type, body }) => {
    const headers = { 'content-type': type, authorization };
    const {
      statusCode,
      headers: had,
      body: came,
    } = await request(`${url}/v1/lookup`, { method: 'POST', headers, body });
    return {
      status: statusCode,
      type: String(had['content-type']),
      body: Buffer.from(await came.arrayBuffer()),
    };
  },
  fetch: async ({ url, type, body }) => {
    const headers = { 'content-type': type, authorization };
    const had = await fetch(`${url}/v1/lookup`, { method: 'POST', headers, body: new Uint8Array(body) });
    return {
      status: had.status,
      type: had.headers.get('content-type') ?? '',
      body: Buffer.from(await had.arrayBuffer()),
    };
  },
  'request of node:http, a byte at a time': ({ url, type, body }) =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': type, 'content-length': body.length, authorization };
      const asking = nodeRequest(`${url}/v1/lookup`, { method: 'POST', headers }, async (had) => {
        const chunks = await had.toArray();
        resolve({
          status: had.statusCode ?? 0,
          type: had.headers['content-type'] ?? '',
          body: Buffer.concat(chunks),
        });
      });
      asking.on('error', reject);
      for (const byte of body) asking.write(Buffer.of(byte));
      asking.end();
    }),
};

let cluster: Cluster;
let local: Handler;
let node: MemoryNodeHost;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  [local] = cluster.handlers.values();
  const options = { tables: cluster.file, routing: cluster.routing, node: 'n0' };
  node = await MemoryNodeHost.start({ ...options, security: { token } });
});
afterAll(async () => {
  await node?.close();
  await cluster?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe.each(Object.entries(clients))('%s', (_, client) => {
  test('looks up in JSON', async () => {
    const asked = {
      bags: {
        sum: { keys: [1, 5, 2], lengths: [2, 1] },
        f: { table: 'idNone', keys: ['3', '4'], offsets: [0] },
      },
    };
    const body = Buffer.from(JSON.stringify(asked));
    const answer = await client({ url: node.url, type: 'application/json', body });
    expect(answer).toMatchObject({ status: 200, type: 'application/json' });
    expect(JSON.parse(answer.body.toString())).toEqual(
      JSON.parse(JSON.stringify(await local.lookupJson(asked))),
    );
  });

  test('looks up in frames', async () => {
    const frame = lookupFrame(cluster.routing, 'mean', [1, 2, 3, 39], { lengths: [1, 3] });
    const answer = await client({ url: node.url, type: frameType, body: Buffer.from(frame) });
    expect(answer).toMatchObject({ status: 200, type: frameType });
    expect(timeless(answer.body)).toEqual(timeless(await replyOf(local, frame)));
  });

  test('gets errors', async () => {
    const body = Buffer.from('{"bags": {"sum": {"keys": [40], "offsets": [0]}}}');
    const answer = await client({ url: node.url, type: 'application/json', body });
    expect(answer.status).toBe(422);
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      error: { code: 'INVALID_KEY', field: 'sum.keys', position: 0 },
    });
    const frame = lookupFrame(cluster.routing, 'mean', [40]);
    const refused = await client({ url: node.url, type: frameType, body: Buffer.from(frame) });
    expect(refused).toMatchObject({ status: 422, type: frameType });
    expect(timeless(refused.body)).toEqual(timeless(await replyOf(local, frame)));
  });
});
