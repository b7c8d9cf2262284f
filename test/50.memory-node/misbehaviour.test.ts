// Peers that are slow, disconnect or never read are cut off, and other peers are not affected.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { Listener } from '../../src/transport/listener.ts';
import type { Handler } from '../../src/wire/handler.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Reply } from '../../src/wire/reply.ts';
import { certificates } from '../60.transport/certificates.ts';
import { Cluster } from '../cluster.ts';
import { LiveNode } from './live-node.ts';
import { lookupFrame } from './lookups.ts';
import { RawPeer } from './raw-peer.ts';
import { wholeNumbers } from './whole-numbers.ts';

const stuckMs = 500;
/** The longest time until the node cuts a peer off, on a machine that is busy with other work. */
const cutOffMsMax = 4_000;
/** The numbers of peers that read and that do not read. The node has enough memory for all of their requests. */
const [readers, nonReaders] = [20, 4];

let cluster: Cluster;
let routing: RoutingTable;
let node: LiveNode;
beforeAll(async () => {
  // Rows of 4 KiB, so that unread replies are soon large.
  const spec = { name: 'wide', rows: 4, dim: 1024, mode: 'none' } as const;
  const wide = { spec, rows: Float32Array.from({ length: 4096 }, (_, i) => i) };
  cluster = await Cluster.start({ tables: [...wholeNumbers, wide], nodes: 1 });
  routing = cluster.routing;
  node = await LiveNode.start({ tables: cluster.file, routing, node: 'n0', stuckMs });
});
afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

const small = (): Uint8Array<ArrayBuffer> => lookupFrame(routing, 'sum', [1, 2]);
const headers = `POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: ${frameType}\r\n`;

/** Sends lookups like a ranker until stop(), which returns the time of the slowest answer in ms. */
function goodPeer(): { stop(): Promise<number> } {
  let [going, slowestMs] = [true, 0];
  const asking = (async () => {
    const peer = await RawPeer.stream(node.port);
    while (going) {
      const started = performance.now();
      const reply = new Reply(await peer.ask(small()));
      slowestMs = Math.max(slowestMs, performance.now() - started);
      expect(reply.error).toBeUndefined();
      await new Promise((waited) => setTimeout(waited, 2));
    }
    peer.close();
  })();
  // stop() reports the error.
  asking.catch(() => {});
  return {
    async stop() {
      going = false;
      await asking;
      return slowestMs;
    },
  };
}

/** Sends one byte at a time until the connection is closed. */
function dribble(peer: RawPeer, bytes: Uint8Array | string, everyMs: number): void {
  const all = Buffer.from(bytes);
  let at = 0;
  const timer = setInterval(() => {
    if (at < all.length) peer.send(all.subarray(at++, at));
  }, everyMs);
  void peer.closed.then(() => clearInterval(timer));
}

/** Expects that the peers are cut off in time, that the node frees their memory, and that it serves a good peer. */
async function cutOff(open: () => Promise<RawPeer>, reads = true): Promise<void> {
  const before = await node.report();
  const good = goodPeer();
  const started = performance.now();
  const opened = await Promise.all(Array.from({ length: reads ? readers : nonReaders }, open));
  if (!reads) {
    // A peer that does not read does not notice that it was cut off.
    await new Promise((waited) => setTimeout(waited, stuckMs * 3));
    await expect.poll(() => node.held(), { timeout: cutOffMsMax }).toBe(0);
    for (const { socket } of opened) socket.resume();
  }
  await Promise.all(opened.map(({ closed }) => closed));
  if (reads) expect(performance.now() - started).toBeLessThan(cutOffMsMax);
  for (const { socket } of opened) if (!reads) expect(socket.bytesRead).toBeLessThan(unreadBytes);
  expect(await good.stop()).toBeLessThan(cutOffMsMax);
  await expect.poll(() => node.held()).toBe(0);
  const after = await node.report();
  // The memory of used slots stays resident.
  expect(after.rssBytes - before.rssBytes).toBeLessThan(160 * 2 ** 20);
}

/** A lookup with a reply of 1 MB. */
const long = (): Uint8Array => lookupFrame(routing, 'wide', new Array(250).fill(1));
/** Less than the 12 MB of all replies, and more than the system buffers for a peer that does not read. */
const unreadBytes = 10e6;

test.for<[string, () => Promise<RawPeer>]>([
  ['says nothing', async () => new RawPeer(node.port)],
  [
    'dribbles the headers of a request',
    async () => {
      const peer = new RawPeer(node.port);
      dribble(peer, `${headers}X-Filler: ${'x'.repeat(10_000)}`, 20);
      return peer;
    },
  ],
  [
    'dribbles the body of a request',
    async () => {
      const peer = new RawPeer(node.port);
      peer.send(`${headers}Content-Length: ${long().length}\r\n\r\n`);
      dribble(peer, long(), 20);
      return peer;
    },
  ],
  [
    'dribbles JSON',
    async () => {
      const peer = new RawPeer(node.port);
      peer.send(
        `POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n`,
      );
      dribble(peer, `{"bags": ${' '.repeat(90_000)}`, 20);
      return peer;
    },
  ],
  [
    'dribbles a frame',
    async () => {
      const peer = await RawPeer.stream(node.port);
      dribble(peer, long(), 20);
      return peer;
    },
  ],
  [
    'dribbles a frame after a small one',
    async () => {
      const peer = await RawPeer.stream(node.port);
      peer.send(small());
      dribble(peer, long(), 20);
      return peer;
    },
  ],
  [
    'stops in the header of a frame',
    async () => {
      const peer = await RawPeer.stream(node.port);
      peer.send(long().subarray(0, 30));
      return peer;
    },
  ],
  [
    'announces the largest frame, and stops',
    async () => {
      const peer = await RawPeer.stream(node.port);
      const frame = Uint8Array.from(long());
      new DataView(frame.buffer).setUint32(8, 2 ** 24, true);
      peer.send(frame);
      return peer;
    },
  ],
  [
    'announces the largest body, and stops',
    async () => {
      const peer = new RawPeer(node.port);
      peer.send(`${headers}Content-Length: ${2 ** 24}\r\n\r\nFXQ1`);
      return peer;
    },
  ],
  [
    'never reads the replies of a stream',
    async () => {
      const peer = await RawPeer.stream(node.port, { reads: false });
      for (let i = 0; i < 12; i++) peer.send(long());
      return peer;
    },
  ],
  [
    'never reads the responses to its requests',
    async () => {
      const peer = new RawPeer(node.port, { reads: false });
      const frame = long();
      for (let i = 0; i < 12; i++) {
        peer.send(`${headers}Content-Length: ${frame.length}\r\n\r\n`);
        peer.send(frame);
      }
      return peer;
    },
  ],
])('a peer that %s is cut off', async ([name, open]) => {
  await cutOff(open, !name.startsWith('never reads'));
});

test('a peer that never reads JSON is cut off', async () => {
  const text = 'x'.repeat(1e6);
  const [handler] = cluster.handlers.values();
  const talkative: Handler = {
    admit: (bytes) => handler.admit(bytes),
    refuse: (id, error) => handler.refuse(id, error),
    ready: true,
    describe: () => handler.describe(),
    lookupJson: async () => text,
  };
  const listener = await Listener.open(talkative, { host: '127.0.0.1', port: 0, stuckMs });
  const peer = new RawPeer(listener.port);
  peer.socket.pause();
  const request =
    'POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
  for (let i = 0; i < 20; i++) peer.send(request);
  await new Promise((waited) => setTimeout(waited, stuckMs * 3));
  peer.socket.resume();
  await peer.closed;
  expect(peer.socket.bytesRead).toBeGreaterThan(1e5);
  expect(peer.socket.bytesRead).toBeLessThan(unreadBytes);
  await listener.close();
});

test('peers that connect and disconnect at any point leave nothing behind', async () => {
  const good = goodPeer();
  const half = long().subarray(0, 500);
  const post = `${headers}Content-Length: ${long().length}\r\n\r\n`;
  for (let round = 0; round < 20; round++) {
    const raw = ['', 'GET', post].map((sent) => {
      const peer = new RawPeer(node.port);
      if (sent !== '') peer.send(sent);
      if (sent === post) peer.send(half);
      return peer;
    });
    const streams = await Promise.all(
      [half, half.subarray(0, 10), long()].map(async (sent) => {
        const peer = await RawPeer.stream(node.port);
        peer.send(sent);
        return peer;
      }),
    );
    // Half of them close the connection, and half reset it.
    for (const [i, peer] of [...raw, ...streams].entries()) {
      if ((round + i) % 2 === 0) peer.close();
      else peer.socket.resetAndDestroy();
    }
  }
  await good.stop();
  await expect.poll(() => node.held()).toBe(0);
});

test('a peer that does not continue its TLS handshake is cut off', async () => {
  const { node: identity } = certificates;
  const token = 'secret';
  const options = { tables: cluster.file, routing, node: 'n0', stuckMs, security: { ...identity, token } };
  await using secured = await LiveNode.start(options);
  const started = performance.now();
  const opened = Array.from({ length: readers }, () => new RawPeer(secured.port));
  // Announces a handshake record of 512 bytes.
  for (const [i, peer] of opened.entries()) if (i % 2 === 0) peer.send(Uint8Array.of(22, 3, 1, 2, 0, 1));
  await Promise.all(opened.map(({ closed }) => closed));
  expect(performance.now() - started).toBeLessThan(cutOffMsMax);
});
