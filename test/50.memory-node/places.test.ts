// Requests keep a place at a worker by the bytes that have arrived, not by the bytes that were announced.
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { jsonBodiesBytesMax, jsonBytesMax, slowMsMin, unfinishedSubrequestsMax } from '../../src/limits.ts';
import { FRAME_BYTES, HEADER_BYTES } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Reply } from '../../src/wire/reply.ts';
import { Cluster } from '../cluster.ts';
import { lookupFrame } from './lookups.ts';
import { RawPeer } from './raw-peer.ts';
import { wholeNumbers } from './whole-numbers.ts';

let cluster: Cluster;
let node: MemoryNodeHost;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, ports: false });
  node = await MemoryNodeHost.start({ tables: cluster.file, routing: cluster.routing, node: 'n0' });
});
afterAll(async () => {
  await node?.close();
  await cluster?.[Symbol.asyncDispose]();
});

const head = (type: string, bytes: number): string =>
  `POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${bytes}\r\n\r\n`;

/** Opens a connection that sends `bytes` and nothing more. @returns the connection and what it received */
function peer(bytes: string | Uint8Array): {
  socket: Socket;
  received: () => string;
  closed: Promise<unknown>;
} {
  const socket = connect(node.ports[0], '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(bytes);
  return { socket, received: () => text, closed: new Promise((closed) => socket.on('close', closed)) };
}

/** Waits until `held` requests have arrived and count as slow. */
async function slow(held: number): Promise<void> {
  await expect
    .poll(async () => {
      return (await node.stats())[0].held;
    })
    .toBeGreaterThanOrEqual(held);
  await new Promise((waited) => setTimeout(waited, slowMsMin + 50));
}

const frame = (): Uint8Array<ArrayBuffer> => lookupFrame(cluster.routing, 'sum', [1, 2]);

async function honestLookups(count: number): Promise<number> {
  const asked = Array.from({ length: count }, async () => {
    const response = await fetch(`${node.url}/v1/lookup`, {
      method: 'POST',
      headers: { 'content-type': frameType },
      body: frame(),
    });
    return new Reply(new Uint8Array(await response.arrayBuffer())).error === undefined;
  });
  return (await Promise.all(asked)).filter(Boolean).length;
}

test('requests that only send headers do not block requests with frames', async () => {
  const peers = Array.from({ length: unfinishedSubrequestsMax + 50 }, () => peer(head(frameType, 400)));
  await slow(unfinishedSubrequestsMax);
  expect(await honestLookups(100)).toBe(100);
  const cut = peers.filter(({ socket }) => socket.destroyed || socket.readableEnded);
  expect(cut.length).toBeGreaterThan(0);
  // A request that is cut off gets the reason.
  await expect
    .poll(() => peers.some(({ received }) => /^HTTP\/1\.1 408 .*too slowly/s.test(received())))
    .toBe(true);
  for (const { socket } of peers) socket.destroy();
});

test('incomplete frames on streams do not block other frames', async () => {
  const half = frame().slice(0, HEADER_BYTES);
  new DataView(half.buffer).setUint32(FRAME_BYTES, 4_000, true);
  const peers = await Promise.all(
    Array.from({ length: unfinishedSubrequestsMax }, () => RawPeer.stream(node.ports[0])),
  );
  for (const each of peers) each.send(half);
  await slow(unfinishedSubrequestsMax);
  const honest = await RawPeer.stream(node.ports[0]);
  for (let i = 0; i < 50; i++) expect(new Reply(await honest.ask(frame())).error).toBeUndefined();
  for (const each of [...peers, honest]) each.socket.destroy();
});

test('unfinished JSON bodies have a total limit, and slow ones are evicted first', async () => {
  const count = Math.ceil(jsonBodiesBytesMax / (jsonBytesMax - 1_000)) + 6;
  const body = `{"bags":{"sum":{"keys":[${'1,'.repeat((jsonBytesMax - 1_000) / 2)}`;
  const peers = Array.from({ length: count }, () => peer(head('application/json', jsonBytesMax) + body));
  await expect
    .poll(() => peers.filter(({ received }) => /^HTTP\/1\.1 (408|429)/.test(received())).length)
    .toBeGreaterThan(0);
  await new Promise((waited) => setTimeout(waited, slowMsMin));
  const asked = JSON.stringify({ bags: { sum: { keys: [1], lengths: [1] } } });
  for (let i = 0; i < 10; i++) {
    const response = await fetch(`${node.url}/v1/lookup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: asked,
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }
  for (const { socket } of peers) socket.destroy();
});

test.for([
  ['evil.example', 421],
  ['evil.example:4100', 421],
  ['127.0.0.1.evil.example', 421],
  ['localhost', 200],
  ['localhost:1234', 200],
  ['node.localhost', 200],
  ['127.0.0.1', 200],
  ['[::1]:80', 200],
  ['node-a', 200],
] as const)('a request for %s is answered %i', async ([host, status]) => {
  const asked = peer(`GET /v1/tables HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await asked.closed;
  expect(asked.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  if (status === 421) expect(asked.received()).toContain('--allow-host');
  const upgraded = peer(
    `GET /v1/stream HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n`,
  );
  await expect.poll(upgraded.received).toMatch(new RegExp(`^HTTP/1\\.1 ${status === 200 ? 101 : status} `));
  upgraded.socket.destroy();
});

test('a node answers requests for the allowed host names, and with a token for all host names', async () => {
  const options = { tables: cluster.file, routing: cluster.routing, node: 'n0' };
  const asks = async (own: MemoryNodeHost, host: string, more = ''): Promise<string> => {
    const socket = connect(own.ports[0], '127.0.0.1');
    socket.write(`GET /v1/tables HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += chunk;
    return text.slice(9, 12);
  };
  await using named = await MemoryNodeHost.start({ ...options, allowHosts: ['nodes.example'] });
  expect([await asks(named, 'nodes.example:80'), await asks(named, 'other.example')]).toEqual(['200', '421']);
  await using secured = await MemoryNodeHost.start({ ...options, security: { token: 'secret' } });
  expect(await asks(secured, 'any.example', 'Authorization: Bearer secret\r\n')).toBe('200');
  await expect(MemoryNodeHost.start({ ...options, allowHosts: ['a b'] })).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    field: 'allowHosts',
  });
});
