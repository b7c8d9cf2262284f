// Checks the bytes of every operation of a reliable connection.
import {
  COMPLETION_WORDS,
  completionOpcode,
  QueuePair,
  RECEIVE_WORDS,
  REQUEST_WORDS,
  SharedReceiveQueue,
  sendFlags,
  sendOpcode,
} from 'ibverbs-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect, firstDevice, onKernel, Rig, receiveWords, sendWords, take, usableGid } from './rig.ts';

const { signaled, fence, inline, solicited } = sendFlags;

describe.skipIf(firstDevice() === undefined)('operations', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
    for (let i = 0; i < 4096; i++) rig.bytes[i] = i * 7;
  });
  afterEach(() => rig[Symbol.dispose]());
  const remote = (offset: number): { remoteAddress: bigint; rkey: number } => ({
    remoteAddress: rig.address(offset),
    rkey: rig.region.rkey,
  });
  const same = (from: number, to: number, count: number): void =>
    expect([...rig.bytes.slice(to, to + count)]).toEqual([...rig.bytes.slice(from, from + count)]);

  test('requests, receives and completions have the documented number of words', () => {
    expect([REQUEST_WORDS, RECEIVE_WORDS, COMPLETION_WORDS]).toEqual([32, 20, 8]);
  });

  test('WRITE, longer than an MTU', async () => {
    rig.send({
      opcode: sendOpcode.write,
      flags: signaled,
      id: 2n ** 63n + 5n,
      sges: [rig.sge(0, 4096)],
      ...remote(8192),
    });
    const [done] = await take(rig.sent, 1);
    expect(done).toMatchObject({ id: 2n ** 63n + 5n, status: 'SUCCESS', opcode: completionOpcode.write });
    expect(done).toMatchObject({ queuePair: rig.a.number, immediate: undefined });
    same(0, 8192, 4096);
  });

  test('READ', async () => {
    rig.send({ opcode: sendOpcode.read, flags: signaled, sges: [rig.sge(8192, 4096)], ...remote(0) });
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS', opcode: completionOpcode.read }]);
    same(0, 8192, 4096);
  });

  test('SEND and RECV, scattered', async () => {
    rig.receive(9n, rig.sge(8192, 10), rig.sge(9000, 100));
    rig.send({ opcode: sendOpcode.send, flags: signaled, id: 1n, sges: [rig.sge(0, 50)] });
    expect(await take(rig.sent, 1)).toMatchObject([
      { id: 1n, status: 'SUCCESS', opcode: completionOpcode.send },
    ]);
    const [received] = await take(rig.received, 1);
    expect(received).toMatchObject({
      id: 9n,
      status: 'SUCCESS',
      opcode: completionOpcode.receive,
      bytes: 50,
    });
    expect(received?.queuePair).toBe(rig.b.number);
    same(0, 8192, 10);
    same(10, 9000, 40);
  });

  test('SEND with an immediate', async () => {
    rig.receive(9n, rig.sge(8192, 64));
    const flags = signaled | solicited;
    rig.send({ opcode: sendOpcode.sendImmediate, flags, immediate: 0xdeadbeef, sges: [rig.sge(0, 1)] });
    expect(await take(rig.received, 1)).toMatchObject([{ immediate: 0xdeadbeef, bytes: 1 }]);
    await take(rig.sent, 1);
  });

  test('WRITE with an immediate takes a receive, and does not write to its memory', async () => {
    rig.receive(4n);
    const opcode = sendOpcode.writeImmediate;
    rig.send({ opcode, flags: signaled, immediate: 0x01020304, sges: [rig.sge(0, 300)], ...remote(8192) });
    const [received] = await take(rig.received, 1);
    expect(received).toMatchObject({ id: 4n, immediate: 0x01020304, bytes: 300 });
    expect(received?.opcode).toBe(completionOpcode.receiveWriteImmediate);
    await take(rig.sent, 1);
    same(0, 8192, 300);
  });

  test('posting copies inline data', async () => {
    expect(rig.a.maxInlineBytes).toBeGreaterThanOrEqual(64);
    const before = rig.bytes.slice(0, 64);
    const sges = [{ ...rig.sge(0, 64), lkey: 0 }];
    rig.send({ opcode: sendOpcode.write, flags: signaled | inline, sges, ...remote(8192) });
    rig.bytes.fill(0, 0, 64);
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
    expect(rig.bytes.slice(8192, 8192 + 64)).toEqual(before);
  });

  test('fetch-add', async () => {
    rig.words64[1024] = 2n ** 40n;
    const sges = [rig.sge(8, 8)];
    rig.send({ opcode: sendOpcode.fetchAdd, flags: signaled, compareAdd: 3n, sges, ...remote(8192) });
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS', opcode: completionOpcode.fetchAdd }]);
    expect([rig.words64[1], rig.words64[1024]]).toEqual([2n ** 40n, 2n ** 40n + 3n]);
  });

  test('compare-and-swap, with an equal and with a different value', async () => {
    rig.words64[1024] = 5n;
    const request = { opcode: sendOpcode.compareSwap, flags: signaled, ...remote(8192) };
    rig.send({ ...request, compareAdd: 5n, swap: 2n ** 33n, sges: [rig.sge(8, 8)] });
    expect(await take(rig.sent, 1)).toMatchObject([{ opcode: completionOpcode.compareSwap }]);
    rig.send({ ...request, compareAdd: 5n, swap: 1n, sges: [rig.sge(16, 8)] });
    await take(rig.sent, 1);
    expect([rig.words64[1], rig.words64[2], rig.words64[1024]]).toEqual([5n, 2n ** 33n, 2n ** 33n]);
  });

  test('a READ, and a WRITE after a fence that gathers from three places', async () => {
    rig.send(
      { opcode: sendOpcode.read, sges: [rig.sge(4096, 16)], ...remote(0) },
      {
        ...{ opcode: sendOpcode.write, flags: signaled | fence, id: 7n, ...remote(8192) },
        sges: [rig.sge(4096, 16), rig.sge(100, 3), rig.sge(200, 5)],
      },
    );
    expect(await take(rig.sent, 1)).toMatchObject([{ id: 7n, status: 'SUCCESS' }]);
    same(0, 8192, 16);
    same(100, 8192 + 16, 3);
    same(200, 8192 + 19, 5);
  });

  test('only signaled requests complete', async () => {
    const write = { opcode: sendOpcode.write, sges: [rig.sge(0, 8)], ...remote(8192) };
    rig.send({ ...write, id: 1n }, { ...write, id: 2n }, { ...write, id: 3n, flags: signaled });
    expect(await take(rig.sent, 1)).toMatchObject([{ id: 3n }]);
    expect(rig.sent.poll(new Uint32Array(8))).toBe(0);
  });

  test('a request without SGEs writes nothing', async () => {
    rig.send({ opcode: sendOpcode.write, flags: signaled, sges: [], ...remote(8192) });
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
  });

  test('requests can be in shared memory', async () => {
    const words = sendWords([
      { opcode: sendOpcode.write, flags: signaled, sges: [rig.sge(0, 8)], ...remote(8192) },
    ]);
    const shared = new Uint32Array(rig.memory.buffer, 65536, REQUEST_WORDS);
    shared.set(words);
    rig.a.postSends(shared, 1);
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
    same(0, 8192, 8);
  });

  test('polling takes only as many completions as the array can hold', async () => {
    const write = { opcode: sendOpcode.write, flags: signaled, sges: [rig.sge(0, 8)], ...remote(8192) };
    rig.send(...[1n, 2n, 3n].map((id) => ({ ...write, id })));
    expect(rig.sent.poll(new Uint32Array(7))).toBe(0);
    expect(await take(rig.sent, 1)).toMatchObject([{ id: 1n }]);
    expect(await take(rig.sent, 2)).toMatchObject([{ id: 2n }, { id: 3n }]);
  });

  test('query() tells the state and the options of a pair', () => {
    expect(rig.a.query()).toMatchObject({ state: 'rts', mtu: 1024, retries: 7, timeout: 14 });
    rig.a.toReset();
    expect(rig.a.query().state).toBe('reset');
  });

  test('a path has a service level and a traffic class', () => {
    const options = { sendQueue: rig.sent, receiveQueue: rig.sent, maxSends: 1, maxReceives: 1 };
    using pair = new QueuePair(rig.domain, options);
    const { raw: remoteGid, index: gidIndex } = usableGid(rig.context);
    pair.toInit({ port: 1, access: 0 });
    pair.toReadyToReceive({
      ...{ mtu: 1024, remoteQueuePair: rig.b.number, remotePacketNumber: 0, remoteGid, gidIndex },
      ...{ port: 1, maxReadsInFlight: 1, minRnrTimer: 1, serviceLevel: 5, trafficClass: 184 },
    });
    expect(pair.query()).toMatchObject({ state: 'rtr', trafficClass: 184 });
    // Soft-RoCE has no service levels.
    if (!onKernel) expect(pair.query().serviceLevel).toBe(5);
    expect(rig.a.query()).toMatchObject({ serviceLevel: 0, trafficClass: 0 });
  });

  test('two pairs take receives from one shared queue', async () => {
    using shared = new SharedReceiveQueue(rig.domain, { maxReceives: 16 });
    const options = { maxSends: 4, maxReceives: 0, sharedReceives: shared };
    using pair = new QueuePair(rig.domain, { sendQueue: rig.sent, receiveQueue: rig.sent, ...options });
    using peer = new QueuePair(rig.domain, {
      sendQueue: rig.received,
      receiveQueue: rig.received,
      ...options,
    });
    const gid = usableGid(rig.context);
    connect(pair, peer.number, gid);
    connect(peer, pair.number, gid);
    const receives = [0, 1].map((i) => ({ id: BigInt(i), sges: [rig.sge(8192 + i * 64, 64)] }));
    shared.postReceives(receiveWords(receives), 2);
    for (const sender of [pair, peer]) {
      sender.postSends(sendWords([{ opcode: sendOpcode.send, sges: [rig.sge(100, 8)] }]), 1);
    }
    const taken = [...(await take(rig.received, 1)), ...(await take(rig.sent, 1))];
    expect(taken.map(({ queuePair }) => queuePair)).toEqual([peer.number, pair.number]);
    expect(taken.map(({ id }) => id).sort()).toEqual([0n, 1n]);
    same(100, 8192, 8);
    same(100, 8192 + 64, 8);
  });
});
