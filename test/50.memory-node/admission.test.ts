// Checks which subrequests a node admits and refuses, and that it frees all of their memory.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  segmentBagsMax,
  sessionWindow,
  subrequestKeysMax,
  subrequestSegmentsMax,
  workerSubrequestsMax,
} from '../../src/limits.ts';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { Inbox } from '../../src/wire/handler.ts';
import { HEADER_BYTES, SUBREQUEST_SEGMENTS } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Reply, type WireError } from '../../src/wire/reply.ts';
import { Cluster } from '../cluster.ts';
import { frameOf, lookupFrame, replyOf, segmentOf } from './lookups.ts';
import { RawPeer, withId } from './raw-peer.ts';
import { ids, wholeNumbers } from './whole-numbers.ts';

/** A row has 4 KiB, so that few keys exceed the limit of a reply. */
const wide = {
  spec: { name: 'wide', rows: 2, dim: 1024, mode: 'none' } as const,
  rows: new Float32Array(2048).fill(1),
};

let cluster: Cluster;
let routing: RoutingTable;
let node: MemoryNode;
let port: number;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: [...wholeNumbers, wide], nodes: 1 });
  routing = cluster.routing;
  [node] = cluster.handlers.values() as unknown as Iterable<MemoryNode>;
  port = Number(new URL(cluster.nodes[0].url).port);
});
afterAll(() => cluster?.[Symbol.asyncDispose]());
beforeEach(() => {
  expect(node.stats.held).toBe(0);
});

const emptied = (): Promise<void> => expect.poll(() => node.stats.held).toBe(0) as Promise<void>;
const small = (): Uint8Array<ArrayBuffer> => lookupFrame(routing, 'sum', [1, 2]);
/** A frame that takes some tenths of a second, in many slices. */
const slow = (): Uint8Array<ArrayBuffer> =>
  lookupFrame(
    routing,
    'idSum',
    Array.from({ length: 400_000 }, (_, i) => ids[i % 40]),
  );

/** Sends a frame over HTTP and over a stream, and expects the same error. */
async function refusal(
  frame: Uint8Array<ArrayBuffer>,
): Promise<WireError & { http: number; after: string | null }> {
  const response = await postFrame(frame);
  const error = new Reply(new Uint8Array(await response.arrayBuffer())).error;
  const peer = await RawPeer.stream(port);
  const streamed = new Reply(await peer.ask(frame)).error;
  peer.close();
  expect(streamed).toEqual(error);
  if (error === undefined) throw new Error('the frame was not refused');
  return { ...error, http: response.status, after: response.headers.get('retry-after') };
}

function postFrame(frame: Uint8Array<ArrayBuffer>): Promise<Response> {
  const headers = { 'content-type': frameType };
  return fetch(`${cluster.nodes[0].url}/v1/lookup`, { method: 'POST', headers, body: frame });
}

describe('a subrequest over a limit is refused', () => {
  const limits = () => node.describe().limits;
  const keysOf = (count: number): number[] => Array.from({ length: count }, () => 1);

  test('of bytes', async () => {
    const most = limits().subrequestBytes;
    const frame = frameOf(routing, []);
    const grown = new Uint8Array(most + 4 - (most % 4));
    grown.set(frame);
    new DataView(grown.buffer).setUint32(8, grown.length, true);
    expect(await refusal(grown)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      http: 413,
      position: grown.length,
      value: BigInt(most),
    });
  });

  test('of keys', async () => {
    const fits = lookupFrame(routing, 'sum', keysOf(subrequestKeysMax));
    expect(new Reply(await replyOf(node, fits)).error).toBeUndefined();
    expect(await refusal(lookupFrame(routing, 'sum', keysOf(subrequestKeysMax + 1)))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      http: 413,
      position: subrequestKeysMax + 1,
      value: BigInt(subrequestKeysMax),
    });
  });

  test('of segments', async () => {
    const frame = frameOf(routing, []);
    new DataView(frame.buffer).setUint32(SUBREQUEST_SEGMENTS, subrequestSegmentsMax + 1, true);
    expect(await refusal(frame)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      http: 413,
      position: subrequestSegmentsMax + 1,
    });
  });

  test('of bags', async () => {
    const lengths = new Array(segmentBagsMax).fill(0);
    const fits = lookupFrame(routing, 'sum', [], { lengths });
    expect(new Reply(await replyOf(node, fits)).error).toBeUndefined();
    expect(await refusal(lookupFrame(routing, 'sum', [], { lengths: [...lengths, 0] }))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      http: 413,
      segment: 0,
      position: segmentBagsMax + 1,
    });
  });

  test.for([
    ['a reply', 30_000],
    ['a reply of 2^31 bytes', 2 ** 31 / 4096],
    ['a reply of 2^32 bytes', 2 ** 32 / 4096],
    ['a reply of 2^33 bytes', 2 ** 33 / 4096],
  ] as const)('of %s', async ([, keys]) => {
    const error = await refusal(lookupFrame(routing, 'wide', keysOf(keys)));
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', http: 413, value: BigInt(limits().replyBytes) });
    await emptied();
  });

  test('only if it is too large: frames of the maximum sizes are answered', async () => {
    const { subrequestBytes, replyBytes } = limits();
    const keys = Math.floor((replyBytes - HEADER_BYTES) / (4096 + 8));
    const reply = new Reply(await replyOf(node, lookupFrame(routing, 'wide', keysOf(keys))));
    expect(reply.error).toBeUndefined();
    expect(reply.bytes.length).toBeGreaterThan(0.99 * replyBytes - 4096);
    expect(subrequestBytes).toBe(2 ** 24);
  });
});

test('a frame with the maximum number of segments is answered, and other frames during that time', async () => {
  const segment = segmentOf(routing, 'sum', [1]);
  const frame = frameOf(routing, new Array(subrequestSegmentsMax).fill(segment));
  const [long, short] = await Promise.all([RawPeer.stream(port), RawPeer.stream(port)]);
  const started = performance.now();
  let done = false;
  const answered = long.ask(frame).then((reply) => {
    done = true;
    return new Reply(reply);
  });
  let between = 0;
  while (!done) {
    expect(new Reply(await short.ask(small())).error).toBeUndefined();
    between++;
  }
  const { error, bytes } = await answered;
  expect(error).toBeUndefined();
  expect(bytes.length).toBe(HEADER_BYTES + subrequestSegmentsMax * 16);
  expect(between).toBeGreaterThan(10);
  // If the time were quadratic in the number of segments, this would take a minute.
  expect(performance.now() - started).toBeLessThan(10_000);
  long.close();
  short.close();
});

describe('a node that is full', () => {
  test('of subrequests says when to try again', async () => {
    const before = node.stats.refused;
    const taken = Array.from({ length: workerSubrequestsMax }, () => node.admit(HEADER_BYTES) as Inbox);
    expect(node.stats.held).toBe(workerSubrequestsMax);
    const error = await refusal(small());
    expect(error).toMatchObject({ code: 'OVERLOADED', http: 429 });
    expect(Number(error.after)).toBeGreaterThan(0);
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(node.stats.refused).toBe(before + 2);
    taken.pop()?.release();
    expect(new Reply(await replyOf(node, small())).error).toBeUndefined();
    for (const inbox of taken) inbox.release();
  });

  test('of bytes does the same, and frees all of them afterwards', async () => {
    const taken: Inbox[] = [];
    for (let inbox = node.admit(16_384); !('code' in inbox); inbox = node.admit(16_384)) taken.push(inbox);
    if (taken.length < workerSubrequestsMax) expect(await refusal(small())).toMatchObject({ http: 429 });
    for (const inbox of taken) inbox.release();
    // The freed memory is sufficient for a large frame.
    const large = lookupFrame(
      routing,
      'sum',
      Array.from({ length: 1_000_000 }, () => 1),
    );
    expect(new Reply(await replyOf(node, large)).error).toBeUndefined();
  });

  test('of unfinished frames still has memory for small ones', async () => {
    const { subrequestBytes } = node.describe().limits;
    const taken: Inbox[] = [];
    for (let bytes = subrequestBytes; bytes > 16_384; bytes >>>= 1) {
      for (let inbox = node.admit(bytes); !('code' in inbox); inbox = node.admit(bytes)) taken.push(inbox);
    }
    expect(taken.length).toBeGreaterThan(1);
    expect(node.admit(subrequestBytes)).toMatchObject({ code: 'OVERLOADED' });
    // The request is small, but its answer is not.
    const keys = new Array(4_000).fill(0);
    expect(new Reply(await replyOf(node, lookupFrame(routing, 'wide', keys))).error).toBeUndefined();
    // When one of the unfinished frames is finished, another is admitted.
    taken[0].frame.set(frameOf(routing, []));
    taken[0].answer(() => {});
    taken[0].release();
    const next = node.admit(subrequestBytes);
    expect(next).not.toHaveProperty('code');
    for (const inbox of [...taken, next as Inbox]) inbox.release();
  });
});

describe('a subrequest that waits', () => {
  test('is given up at its deadline, not before', async () => {
    const peer = await RawPeer.stream(port);
    const { subrequests } = node.stats;
    for (let id = 1; id <= 4; id++) peer.send(withId(slow(), id));
    const segments = [
      segmentOf(
        routing,
        'idSum',
        Array.from({ length: 100_000 }, () => ids[1]),
      ),
    ];
    const [late, later] = [100, 25_000_000].map((timeLeftUs) => frameOf(routing, segments, { timeLeftUs }));
    // The new frames queue behind those of the peer, which have all arrived and have not all begun.
    await expect.poll(() => node.stats.subrequests, { interval: 1 }).toBe(subrequests + 4);
    const [response, other] = await Promise.all([postFrame(late), postFrame(later)]);
    expect(response.status).toBe(504);
    const reply = new Reply(new Uint8Array(await response.arrayBuffer()));
    expect(reply.error?.code).toBe('DEADLINE_EXCEEDED');
    expect(other.status).toBe(200);
    for (let left = 4; left > 0; left--) expect(new Reply(await peer.reply()).error).toBeUndefined();
    peer.close();
    await emptied();
  });

  test('lets short ones pass', async () => {
    const [long, short] = await Promise.all([RawPeer.stream(port), RawPeer.stream(port)]);
    for (let id = 1; id <= 6; id++) long.send(withId(slow(), id));
    await long.reply();
    for (let i = 0; i < 5; i++) {
      const reply = new Reply(await short.ask(small()));
      expect(reply.error).toBeUndefined();
    }
    expect(long.replies).toBeLessThan(5);
    for (let left = 5; left > 0; left--) await long.reply();
    long.close();
    short.close();
    await emptied();
  });

  test.for(['stream', 'http'] as const)('frees its memory when its peer disconnects: %s', async (way) => {
    const frame = slow();
    const peer = way === 'stream' ? await RawPeer.stream(port) : new RawPeer(port);
    const head = `POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: ${frameType}\r\nContent-Length: ${frame.length}\r\n\r\n`;
    // Pipelined, so the last frames wait for the answers to the first.
    for (let i = 0; i < 5; i++) {
      if (way === 'http') peer.send(head);
      peer.send(frame);
    }
    await expect.poll(() => node.stats.held, { interval: 1 }).toBeGreaterThan(2);
    peer.close();
    await emptied();
    expect(new Reply(await replyOf(node, small())).error).toBeUndefined();
  });
});

test('a session has a limited number of subrequests in flight, and loses none', async () => {
  const peer = await RawPeer.stream(port);
  const count = 1_500;
  const one = lookupFrame(
    routing,
    'sum',
    Array.from({ length: 100_000 }, () => 1),
  );
  let most = 0;
  const admit = node.admit.bind(node);
  node.admit = (bytes) => {
    const inbox = admit(bytes);
    most = Math.max(most, node.stats.held);
    return inbox;
  };
  const tiny = small();
  const all = Buffer.concat(
    Array.from({ length: count }, (_, id) => withId(id > 1_000 && id % 50 === 0 ? one : tiny, id)),
  );
  peer.send(all);
  peer.socket.end();
  const seen = new Set<number>();
  while (seen.size < count) {
    const reply = await peer.reply();
    expect(new Reply(reply).error).toBeUndefined();
    seen.add(new DataView(reply.buffer).getUint32(12, true));
  }
  node.admit = admit;
  // All were answered although the peer had closed its side. Then the node closes too.
  await peer.closed;
  expect(most).toBeGreaterThan(sessionWindow / 2);
  expect(most).toBeLessThanOrEqual(sessionWindow);
  await emptied();
});

test('a lookup writes only to its own memory', async () => {
  const lengths = new Array(50_000).fill(0);
  const weights = new Float32Array();
  const frame = lookupFrame(routing, 'mean', [], { lengths, weights, partial: false });
  // The frame and the reply just fit into the gap. The memory behind the gap belongs to another inbox.
  const gap = node.admit(frame.length + 128 + 64 + lengths.length * 16 + 1024) as Inbox;
  const neighbour = node.admit(8192) as Inbox;
  neighbour.frame.fill(0xa5);
  gap.release();
  expect(new Reply(await replyOf(node, frame)).error).toBeUndefined();
  expect(neighbour.frame.every((byte) => byte === 0xa5)).toBe(true);
  neighbour.release();
});
