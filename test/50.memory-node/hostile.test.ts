// Sends hostile bytes to a running node. It gives the same reply as a node in this thread, or closes the connection.
import fc from 'fast-check';
import { Client } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { FRAME_BYTES, FRAME_ID, HEADER_BYTES } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Reply } from '../../src/wire/reply.ts';
import { httpStatusOf, statusOf } from '../../src/wire/status.ts';
import { readSubrequest } from '../40.wire/read-subrequest.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';
import { headerOutcomeOf, hostileFrames, madeToOrder, outcomeOf, outcomes } from './hostile-frames.ts';
import { LiveNode } from './live-node.ts';
import { lookupFrame, replyOf, subrequests, timeless } from './lookups.ts';
import { RawPeer } from './raw-peer.ts';
import { differInTime, withoutIdentity } from './same-reply.ts';
import { ids, wholeNumbers, wide } from './whole-numbers.ts';

/** All tables, each between two tables in which every value is `value`. */
function poisoned(value: number): GivenTable[] {
  const poison = (i: number): GivenTable => ({
    spec: { name: `poison ${i}`, rows: 5, dim: 7, mode: 'sum' },
    rows: new Float32Array(35).fill(value),
  });
  return [...wholeNumbers, wide].flatMap((table, i) => [poison(i), table, poison(i + 100)]);
}

/** Two clusters with the same tables and different poison. If their replies differ, bytes outside a table were read. */
let cluster: Cluster;
let twin: Cluster;
let twinNode: MemoryNode;
let live: LiveNode;
let http: Client;
let routing: RoutingTable;
let poison: ReadonlySet<number>;
let bytesMax: number;
beforeAll(async () => {
  [cluster, twin] = await Promise.all(
    [Number.NaN, 1e30].map((value) => Cluster.start({ tables: poisoned(value), nodes: 1 })),
  );
  routing = cluster.routing;
  [twinNode] = twin.handlers.values() as unknown as Iterable<MemoryNode>;
  bytesMax = twinNode.describe().limits.subrequestBytes;
  live = await LiveNode.start({ tables: cluster.file, routing, node: 'n0' });
  http = new Client(`http://127.0.0.1:${live.port}`);
  const named = numberedShards(routing).filter(({ table }) => table.spec.name.startsWith('poison'));
  poison = new Set(named.map(({ number }) => number));
});
afterAll(async () => {
  await http?.close();
  await live?.[Symbol.asyncDispose]();
  await Promise.all([cluster, twin].map((each) => each?.[Symbol.asyncDispose]()));
});

type Frame = Uint8Array<ArrayBuffer>;

/** How often each outcome occurred, for each transport. */
const seen = new Map(outcomes.map((name) => [name, { stream: 0, http: 0 }]));

function readsPoison(frame: Frame): boolean {
  const words = new Uint32Array(frame.slice(0, frame.length & ~3).buffer);
  const read = readSubrequest(words, 0, frame.length);
  return 'segments' in read && read.segments.some(({ shard }) => poison.has(shard));
}

/** Expects that the live node and its twin gave the same reply. */
function expectSame(frame: Frame, got: Uint8Array, wanted: Uint8Array, transport: 'stream' | 'http'): void {
  const reply = new Reply(got);
  const outcome = outcomeOf(routing, frame, reply, bytesMax);
  const count = seen.get(outcome);
  if (count === undefined) throw new Error(`the outcome is not listed: ${outcome}`);
  count[transport]++;
  if (differInTime(frame, got, wanted)) return;
  if (outcome === 'answered' && readsPoison(frame)) expect(got.length).toBe(wanted.length);
  else expect(withoutIdentity(got)).toEqual(withoutIdentity(wanted));
}

async function overHttp(frame: Frame): Promise<void> {
  const { statusCode, headers, body } = await http.request({
    method: 'POST',
    path: '/v1/lookup',
    headers: { 'content-type': frameType },
    body: frame,
  });
  const got = new Uint8Array(await body.arrayBuffer());
  expect(headers['content-type']).toBe(frameType);
  const { error } = new Reply(got);
  expect(statusCode).toBe(error ? httpStatusOf(statusOf(error.code)) : 200);
  expectSame(frame, got, await replyOf(twinNode, frame), 'http');
}

interface CutStream {
  readonly frames: Frame[];
  /** The header of a frame that the node cannot take, which ends the stream. */
  readonly broken: Frame | undefined;
  /** Whether the stream ends, because of `broken` or because the last frame is incomplete. */
  readonly lost: boolean;
}

/** Cuts bytes into frames like a stream does: by the lengths in their headers. */
function cutByLength(bytes: Frame): CutStream {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) return { frames, broken: undefined, lost: true };
    const header = bytes.slice(at, at + HEADER_BYTES);
    if (headerOutcomeOf(header, bytesMax) !== undefined) return { frames, broken: header, lost: true };
    const length = new DataView(header.buffer).getUint32(FRAME_BYTES, true);
    if (at + length > bytes.length) return { frames, broken: undefined, lost: true };
    frames.push(bytes.slice(at, at + length));
    at += length;
  }
  return { frames, broken: undefined, lost: false };
}

/** Expects the reply of a stream to a header that it cannot continue from. */
function expectBroken(header: Frame, got: Uint8Array): void {
  const outcome = headerOutcomeOf(header, bytesMax) ?? '';
  const count = seen.get(outcome);
  if (count) count.stream++;
  const { error } = new Reply(got);
  expect(error?.code).toBe(outcome === 'more bytes than are taken' ? 'LIMIT_EXCEEDED' : 'INVALID_FRAME');
}

let open: RawPeer | undefined;
async function overStream(bytes: Frame): Promise<void> {
  const peer = open ?? (await RawPeer.stream(live.port));
  open = peer;
  const { frames, broken, lost } = cutByLength(bytes);
  peer.send(bytes);
  for (const frame of [...frames, ...(broken ? [broken] : [])]) {
    const got = await peer.reply();
    expect(idOf(got)).toBe(idOf(frame));
    if (frame === broken) expectBroken(broken, got);
    else expectSame(frame, got, await replyOf(twinNode, frame), 'stream');
  }
  if (!lost) return;
  // The node cannot find the next frame, so it ends the stream, at the latest when the peer does.
  open = undefined;
  peer.socket.end();
  await peer.closed;
  expect(peer.received).toHaveLength(0);
}

function idOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(FRAME_ID, true);
}

async function expectUnharmed(): Promise<void> {
  expect(live.alive).toBe(true);
  await expect.poll(() => live.held()).toBe(0);
  expect(twinNode.stats.held).toBe(0);
  const frame = lookupFrame(routing, 'sum', [1, 2, 3]);
  const peer = await RawPeer.stream(live.port);
  expect(timeless(await peer.ask(frame))).toEqual(timeless(await replyOf(twinNode, frame)));
  peer.close();
}

test('a frame for each kind of refusal', async () => {
  for (const frame of madeToOrder(routing, bytesMax)) {
    await overHttp(frame);
    await overStream(frame);
  }
  await expectUnharmed();
});

test('changed frames and random bytes', async () => {
  const hostile = hostileFrames(subrequests(routing, 'n0', [...ids]));
  const warm = Math.ceil(runs.hostileFrames / 10);
  let [sent, rssBytes] = [0, 0];
  await fc.assert(
    fc.asyncProperty(hostile, async (frame) => {
      await overHttp(frame);
      await overStream(frame);
      if (++sent === warm) ({ rssBytes } = await live.report());
    }),
    { numRuns: runs.hostileFrames, endOnFailure: true },
  );
  await expectUnharmed();
  expect((await live.report()).rssBytes - rssBytes).toBeLessThan(64 * 2 ** 20);
});

test('every kind of refusal has occurred over HTTP and over streams', () => {
  const lines = [...seen].map(
    ([name, { stream, http: posted }]) =>
      `${String(stream).padStart(8)} ${String(posted).padStart(8)}  ${name}`,
  );
  console.log(['  stream     HTTP  outcome', ...lines].join('\n'));
  // On a stream, the length in the header determines where a frame ends, so it cannot be wrong.
  const unseen = [...seen].filter(
    ([name, { stream, http: posted }]) =>
      posted === 0 || (stream === 0 && name !== 'a length that is not its own'),
  );
  expect(unseen).toEqual([]);
});
