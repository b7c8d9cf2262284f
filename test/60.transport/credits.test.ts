// Credits on the wire: what a worker does with replies that wait, and with peers that send it anything else.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { earlyCreditsMax } from '../../src/credit-limits.ts';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Listener } from '../../src/transport/listener.ts';
import {
  CREDIT_DROP,
  CREDIT_GRANT,
  FRAME_ID,
  HEADER_BYTES,
  REPLY_STATUS,
  SUBREQUEST_REPLY_CREDITS,
  SUBREQUEST_TIME_LEFT_US,
} from '../../src/wire/layout.ts';
import { statusOf } from '../../src/wire/status.ts';
import { lookupFrame } from '../50.memory-node/lookups.ts';
import { endOfHeaders, RawPeer, withId } from '../50.memory-node/raw-peer.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Cluster } from '../cluster.ts';
import { localHosting } from '../local-node.ts';

let cluster: Cluster;
let node: MemoryNode;
let port: number;
const peers: RawPeer[] = [];
beforeEach(async () => {
  const wrap = (handler: unknown): MemoryNode => {
    node = handler as MemoryNode;
    return node;
  };
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, wrap });
  port = Number(new URL(cluster.nodes[0].url).port);
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  await cluster?.[Symbol.asyncDispose]();
});

/** Sends an Upgrade. @returns the peer, and the answer */
async function upgrade(credits: string): Promise<{ peer: RawPeer; answer: string }> {
  const peer = new RawPeer(port);
  peers.push(peer);
  const headers = 'Host: n\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n';
  peer.send(`GET /v1/stream HTTP/1.1\r\n${headers}${credits}\r\n`);
  return { peer, answer: (await peer.take(endOfHeaders)).toString('latin1') };
}

/** A stream that asks for credits, and the connection for them. */
async function credited(): Promise<{ stream: RawPeer; name: string; credits: RawPeer }> {
  const { peer: stream, answer } = await upgrade('Flexemr-Credits: ask\r\n');
  const name = /^flexemr-credits: ([0-9a-f]{32})\r$/m.exec(answer)?.[1] as string;
  const { peer: credits, answer: taken } = await upgrade(`Flexemr-Credits: ${name}\r\n`);
  expect(taken).toMatch(/^HTTP\/1.1 101 /);
  return { stream, name, credits };
}

function heldFrame(id: number, timeLeftUs = 0): Uint8Array {
  const frame = withId(lookupFrame(cluster.routing, 'sum', [1, 2, 3]), id);
  const view = new DataView(frame.buffer);
  view.setUint32(SUBREQUEST_REPLY_CREDITS, 0, true);
  view.setUint32(SUBREQUEST_TIME_LEFT_US, timeLeftUs, true);
  return frame;
}

function credit(id: number, verb: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(id, 0);
  bytes.writeUInt32LE(verb, 4);
  return bytes;
}

function at(reply: Uint8Array, field: number): number {
  return new DataView(reply.buffer, reply.byteOffset).getUint32(field, true);
}

/** Until the node holds so many subrequests. */
async function holds(count: number): Promise<void> {
  while (node.stats.held !== count) await new Promise((turn) => setTimeout(turn, 1));
}

/** A subrequest behind others has been answered, so the worker has read what came before it. */
async function answersNext(stream: RawPeer): Promise<void> {
  const frame = withId(lookupFrame(cluster.routing, 'sum', [1]), 999_999);
  expect(at(await stream.ask(frame), FRAME_ID)).toBe(999_999);
}

describe('a reply that waits', () => {
  test('is sent when it is granted, and only then', async () => {
    const { stream, credits } = await credited();
    for (const id of [1, 2, 3]) stream.send(heldFrame(id));
    await answersNext(stream);
    expect(node.stats.held).toBe(3);
    credits.send(credit(2, CREDIT_GRANT));
    const reply = await stream.reply();
    expect(at(reply, FRAME_ID)).toBe(2);
    expect(reply.length).toBeGreaterThan(HEADER_BYTES);
    await holds(2);
    await answersNext(stream);
  });

  test('is dropped with an error, and its memory is free at once', async () => {
    const { slotBytesFree } = node.stats;
    const { stream, credits } = await credited();
    stream.send(heldFrame(1));
    await answersNext(stream);
    credits.send(credit(1, CREDIT_DROP));
    const reply = await stream.reply();
    expect(reply.length).toBe(HEADER_BYTES);
    expect(at(reply, REPLY_STATUS)).toBe(statusOf('DEADLINE_EXCEEDED'));
    await holds(0);
    expect(node.stats.slotBytesFree).toBe(slotBytesFree);
  });

  test('is dropped when its time is over', async () => {
    const { stream } = await credited();
    stream.send(heldFrame(1, 20_000));
    expect(at(await stream.reply(), REPLY_STATUS)).toBe(statusOf('DEADLINE_EXCEEDED'));
    await holds(0);
  });

  test('is refused for now if it waits longer than a peer may take, and has time left', async () => {
    const { node: own } = await localHosting({ tables: cluster.file, routing: cluster.routing, node: 'n0' });
    const hasty = await Listener.open(own, { host: '127.0.0.1', port: 0, stuckMs: 100 });
    port = hasty.port;
    const { stream } = await credited();
    stream.send(heldFrame(1, 60_000_000));
    expect(at(await stream.reply(), REPLY_STATUS)).toBe(statusOf('OVERLOADED'));
    expect(own.stats.held).toBe(0);
    stream.close();
    await hasty.close();
  });

  test('frees its memory when its stream ends, or both connections', async () => {
    const { slotBytesFree } = node.stats;
    const { stream, credits } = await credited();
    for (let id = 1; id <= 64; id++) stream.send(heldFrame(id));
    await holds(64);
    stream.close();
    await holds(0);
    expect(node.stats.slotBytesFree).toBe(slotBytesFree);
    // The credits of a stream that has ended are for nothing.
    await credits.closed;
  });

  test('needs no credit if it is an error', async () => {
    const { stream } = await credited();
    const frame = heldFrame(7);
    new DataView(frame.buffer).setUint32(HEADER_BYTES, 12_345, true);
    const reply = await stream.ask(frame);
    expect(at(reply, REPLY_STATUS)).toBe(statusOf('STALE_ROUTING'));
    await holds(0);
  });

  test('is granted or dropped by a credit that came before its subrequest', async () => {
    const { stream, credits } = await credited();
    credits.send(Buffer.concat([credit(1, CREDIT_GRANT), credit(2, CREDIT_DROP)]));
    // Until the worker has read them: then a later one of the same connection has an effect.
    stream.send(heldFrame(3));
    credits.send(credit(3, CREDIT_GRANT));
    await stream.reply();
    stream.send(heldFrame(1));
    expect(at(await stream.reply(), REPLY_STATUS)).toBe(0);
    stream.send(heldFrame(2));
    expect(at(await stream.reply(), REPLY_STATUS)).toBe(statusOf('DEADLINE_EXCEEDED'));
    await holds(0);
  });

  test('is granted by another connection if the first one is lost', async () => {
    const { stream, name, credits } = await credited();
    stream.send(heldFrame(1));
    await answersNext(stream);
    credits.close();
    const { peer } = await upgrade(`Flexemr-Credits: ${name}\r\n`);
    peer.send(credit(1, CREDIT_GRANT));
    expect(at(await stream.reply(), FRAME_ID)).toBe(1);
  });
});

describe('a peer', () => {
  test('that does not ask for credits has its replies at once', async () => {
    const { peer, answer } = await upgrade('');
    expect(answer).not.toMatch(/flexemr-credits/i);
    expect(at(await peer.ask(heldFrame(1)), REPLY_STATUS)).toBe(0);
  });

  test.for(['0'.repeat(32), 'x', `${'0'.repeat(4_000)}`])('with a wrong name is refused', async (name) => {
    const { answer } = await upgrade(`Flexemr-Credits: ${name}\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
  });

  test('cannot grant for the stream of another one', async () => {
    const [mine, other] = [await credited(), await credited()];
    expect(mine.name).not.toBe(other.name);
    mine.stream.send(heldFrame(1));
    await answersNext(mine.stream);
    other.credits.send(Buffer.concat([credit(1, CREDIT_GRANT), credit(1, CREDIT_DROP)]));
    other.stream.send(heldFrame(2));
    other.credits.send(credit(2, CREDIT_GRANT));
    await other.stream.reply();
    await answersNext(mine.stream);
    expect(mine.stream.replies).toBe(0);
    expect(node.stats.held).toBe(1);
  });

  test('that grants unknown ids, and everything twice, changes nothing', async () => {
    const { stream, credits } = await credited();
    const many = Array.from({ length: 100 * earlyCreditsMax }, (_, i) => credit(1_000 + i, CREDIT_GRANT));
    credits.send(Buffer.concat(many));
    for (let id = 1; id <= 10; id++) {
      stream.send(heldFrame(id));
      credits.send(Buffer.concat([credit(id, CREDIT_GRANT), credit(id, CREDIT_GRANT)]));
      expect(at(await stream.reply(), FRAME_ID)).toBe(id);
    }
    await answersNext(stream);
    expect(stream.replies).toBe(0);
    await holds(0);
  });

  test('that uses an id twice gets an error for the second one', async () => {
    const { stream, credits } = await credited();
    stream.send(heldFrame(5));
    expect(at(await stream.ask(heldFrame(5)), REPLY_STATUS)).toBe(statusOf('INVALID_FRAME'));
    credits.send(credit(5, CREDIT_GRANT));
    expect(at(await stream.reply(), REPLY_STATUS)).toBe(0);
    await holds(0);
  });

  test('that sends credits in pieces is understood', async () => {
    const { stream, credits } = await credited();
    for (let id = 1; id <= 3; id++) stream.send(heldFrame(id));
    await answersNext(stream);
    for (const byte of Buffer.concat([1, 2, 3].map((id) => credit(id, CREDIT_GRANT)))) {
      credits.send(Uint8Array.of(byte));
      await new Promise((turn) => setTimeout(turn, 1));
    }
    const ids = [await stream.reply(), await stream.reply(), await stream.reply()].map((reply) =>
      at(reply, FRAME_ID),
    );
    expect(ids).toEqual([1, 2, 3]);
  });

  test.for([0, 3, 0xffffffff])('that sends anything but credits is cut off (%i)', async (verb) => {
    const { stream, credits } = await credited();
    credits.send(credit(1, verb));
    await credits.closed;
    // Its stream goes on.
    await answersNext(stream);
  });
});
