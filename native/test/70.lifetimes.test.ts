// Objects can be closed, dropped or collected in any order, without a crash and without leaks.
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  CompletionChannel,
  CompletionQueue,
  ledger,
  MemoryRegion,
  ParentDomain,
  ProtectionDomain,
  QueuePair,
  SharedReceiveQueue,
  sendFlags,
  sendOpcode,
} from 'ibverbs-node';
import { afterEach, describe, expect, test } from 'vitest';
import { everyAccess, firstDevice, openFirst, Rig, take } from './rig.ts';
import { expectSettled } from './settled.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const nothing: number[] = Array(8).fill(0);
const live = (): number[] => Object.values(ledger());

/** The parts of a rig and an object of each other kind, all in use: requests wait for receives, a channel listens. */
function everything(): Disposable[] {
  const rig = new Rig();
  const channel = new CompletionChannel(rig.context);
  channel.onEvent(() => {});
  rig.context.onAsyncEvent(() => {});
  const queue = new CompletionQueue(rig.context, { depth: 16, channel });
  queue.arm();
  const shared = new SharedReceiveQueue(rig.domain, { maxReceives: 4 });
  const options = { sendQueue: queue, receiveQueue: queue, sharedReceives: shared };
  const pair = new QueuePair(rig.domain, { ...options, maxSends: 4, maxReceives: 4 });
  rig.receive(1n, rig.sge(0, 8));
  rig.send({ opcode: sendOpcode.send, flags: sendFlags.signaled, sges: [rig.sge(0, 8)] });
  rig.send({ opcode: sendOpcode.send, flags: sendFlags.signaled, sges: [rig.sge(0, 8)] });
  return [...rig.parts(), channel, queue, shared, pair];
}

/** Shuffles `items`; the same seed gives the same order. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const rest = [...items];
  let state = seed + 1;
  return items.map(() => {
    state = (state * 48271) % 0x7fffffff;
    return rest.splice(state % rest.length, 1)[0] as T;
  });
}

describe.skipIf(firstDevice() === undefined)('lifetimes', () => {
  afterEach(() => expect(live()).toEqual(nothing));

  test('objects can be closed in any order', () => {
    for (let seed = 0; seed < 40; seed++) {
      for (const part of shuffled(everything(), seed)) part[Symbol.dispose]();
      expect(live(), `seed ${seed}`).toEqual(nothing);
    }
  });

  test('objects can be closed twice', () => {
    using rig = new Rig();
    for (const part of [...rig.parts(), ...rig.parts()]) part[Symbol.dispose]();
  });

  test('calls on closed objects throw CLOSED', () => {
    const rig = new Rig();
    const channel = new CompletionChannel(rig.context);
    for (const part of [...rig.parts(), channel]) part[Symbol.dispose]();
    const calls: (() => unknown)[] = [
      () => rig.context.port(1),
      () => rig.context.gids(1),
      () => rig.context.onAsyncEvent(() => {}),
      () => ProtectionDomain.allocate(rig.context),
      () => ParentDomain.allocate(rig.domain),
      () => MemoryRegion.register(rig.domain, rig.bytes, 1),
      () => new CompletionChannel(rig.context),
      () => channel.onEvent(() => {}),
      () => channel.ref(),
      () => new CompletionQueue(rig.context, { depth: 1 }),
      () => rig.sent.poll(new Uint32Array(8)),
      () => rig.sent.arm(),
      () => new SharedReceiveQueue(rig.domain, { maxReceives: 1 }),
      () =>
        new QueuePair(rig.domain, {
          sendQueue: rig.sent,
          receiveQueue: rig.sent,
          maxSends: 1,
          maxReceives: 1,
        }),
      () => rig.a.toInit({ port: 1, access: 0 }),
      () => rig.a.toError(),
      () => rig.a.toReset(),
      () => rig.a.query(),
      () => rig.a.postSends(new Uint32Array(32), 1),
      () => rig.a.postReceives(new Uint32Array(20), 1),
    ];
    for (const call of calls) {
      expect(call, `${call}`).toThrow(expect.objectContaining({ name: 'IbverbsError', code: 'CLOSED' }));
    }
    // Fields can still be read.
    expect(rig.a.number).toBeGreaterThan(0);
    expect(rig.region.byteLength).toBe(rig.bytes.length);
  });

  test('an object that others use works after it was closed', async () => {
    using rig = new Rig();
    for (const parent of [rig.context, rig.domain, rig.parent]) parent.close();
    const remote = { remoteAddress: rig.address(8192), rkey: rig.region.rkey };
    rig.send({ opcode: sendOpcode.write, flags: sendFlags.signaled, sges: [rig.sge(0, 8)], ...remote });
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
    expect(ledger()).toMatchObject({ contexts: 1, protectionDomains: 1, parentDomains: 1 });
  });

  test('an object that could not be created leaves nothing behind', () => {
    using rig = new Rig();
    const maxSends = rig.context.attributes.maxWorkRequests + 1;
    const options = { sendQueue: rig.sent, receiveQueue: rig.sent, maxSends, maxReceives: 1 };
    for (let i = 0; i < 100; i++) expect(() => new QueuePair(rig.domain, options)).toThrow();
    expect(ledger().queuePairs).toBe(2);
  });

  test('objects without references are collected', async () => {
    for (let i = 0; i < 20; i++) everything();
    for (let i = 0; i < 20 && live().some((count) => count !== 0); i++) {
      collect();
      await turn();
    }
  });

  test('a region keeps its memory alive', async () => {
    using rig = new Rig();
    const regions = [1, 2, 3].map((byte) =>
      MemoryRegion.register(rig.domain, new Uint8Array(1 << 20).fill(byte), everyAccess),
    );
    for (let i = 0; i < 3; i++) {
      collect();
      await turn();
      // Overwrites memory that was freed.
      new Uint8Array(1 << 20).fill(9);
    }
    for (const { address, rkey } of regions) {
      const read = { opcode: sendOpcode.read, flags: sendFlags.signaled, sges: [rig.sge(0, 1)] };
      rig.send({ ...read, remoteAddress: address + 1000n, rkey });
      await take(rig.sent, 1);
      expect(rig.bytes[0]).toBe(regions.findIndex((region) => region.rkey === rkey) + 1);
    }
    for (const region of regions) region.close();
  });

  test('a registered buffer cannot be transferred', () => {
    using context = openFirst();
    using domain = ProtectionDomain.allocate(context);
    const bytes = new Uint8Array(4096);
    using _ = MemoryRegion.register(domain, bytes, 1);
    expect(() => structuredClone(bytes, { transfer: [bytes.buffer] })).toThrow(/DataClone|transfer/);
  });

  test('a thousand rigs, one after the other, do not leak', () => {
    expectSettled(1000, () => new Rig()[Symbol.dispose]());
    expect(live()).toEqual(nothing);
  });

  test('a thousand objects of a kind can be open at a time', () => {
    const context = openFirst();
    const domain = ProtectionDomain.allocate(context);
    const bytes = new Uint8Array(4096);
    const queue = new CompletionQueue(context, { depth: 16 });
    const parts = Array.from({ length: 1000 }, () => [
      MemoryRegion.register(domain, bytes, 1),
      ParentDomain.allocate(domain),
      new QueuePair(domain, { sendQueue: queue, receiveQueue: queue, maxSends: 1, maxReceives: 1 }),
    ]).flat();
    expect(ledger()).toMatchObject({ memoryRegions: 1000, parentDomains: 1000, queuePairs: 1000 });
    for (const part of [context, domain, queue, ...parts]) part.close();
  });
});
