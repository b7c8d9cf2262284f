// Two threads share one context and one domain, and each has one end of a connection.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Context, ledger, MemoryRegion, ProtectionDomain, QueuePair } from 'ibverbs-node';
import { describe, expect, test } from 'vitest';
import type { Side } from './programs/side.ts';
import { connect, everyAccess, firstDevice, openFirst, Rig, sendWords, until, usableGid } from './rig.ts';

const device = firstDevice();
const rounds = 100;

describe.skipIf(device === undefined)('threads', () => {
  test('two threads write to each other through one region', async () => {
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
    const words = new BigUint64Array(memory.buffer);
    words.set([111n, 222n], 131072 / 8);
    const context = openFirst();
    const domain = ProtectionDomain.allocate(context);
    const region = MemoryRegion.register(domain, words, everyAccess);
    const { address, lkey, rkey } = region;
    const common = { rounds, context: context.token, domain: domain.token, address, lkey, rkey };
    const workers = [0, 1].map((side) => {
      const workerData: Side = { side, ...common };
      return new Worker(join(import.meta.dirname, 'programs/side.ts'), { workerData });
    });
    const answers = async (): Promise<unknown[]> => {
      const all = await Promise.all(workers.map((worker) => once(worker, 'message')));
      return all.map(([message]) => message);
    };
    const tell = (messages: unknown[]): void =>
      workers.forEach((worker, i) => {
        worker.postMessage(messages[i]);
      });

    const [first, second] = await answers();
    expect(ledger()).toMatchObject({ contexts: 1, protectionDomains: 1, parentDomains: 2, queuePairs: 2 });
    // The workers keep both alive.
    context.close();
    domain.close();
    tell([second, first]);
    expect(await answers()).toEqual(['connected', 'connected']);
    tell(['go', 'go']);
    expect(await answers()).toEqual(['done', 'done']);
    await Promise.all(workers.map((worker) => worker.terminate()));

    expect(new Set(words.slice(0, rounds))).toEqual(new Set([111n]));
    expect(new Set(words.slice(4096, 4096 + rounds))).toEqual(new Set([222n]));
    region.close();
    expect(Object.values(ledger())).toEqual(Array(8).fill(0));
  });

  test('an object that all threads have closed cannot be attached', () => {
    const context = openFirst();
    const domain = ProtectionDomain.allocate(context);
    domain.close();
    expect(() => ProtectionDomain.attach(domain.token)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    context.close();
    expect(() => Context.attach(context.token)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  test('an attached domain attaches its context, and closes it too', () => {
    const context = openFirst();
    const domain = ProtectionDomain.allocate(context);
    const attached = ProtectionDomain.attach(domain.token);
    expect(attached.context.device).toBe(context.device);
    expect(attached.context).not.toBe(context);
    for (const part of [context, domain, attached]) part.close();
    expect(ledger()).toMatchObject({ contexts: 0, protectionDomains: 0 });
  });

  // Which events a device gives depends on its provider. The stand-in gives one for a request without access.
  test.skipIf(!device?.startsWith('standin'))('every listener gets the events of a device', async () => {
    using rig = new Rig();
    using attached = Context.attach(rig.context.token);
    const told: unknown[] = [];
    for (const context of [rig.context, attached]) context.onAsyncEvent((event) => told.push(event));
    const options = { sendQueue: rig.sent, receiveQueue: rig.sent, maxSends: 4, maxReceives: 4 };
    using pair = new QueuePair(rig.domain, options);
    rig.b.toReset();
    connect(pair, rig.b.number, usableGid(rig.context));
    connect(rig.b, pair.number, usableGid(rig.context));
    pair.postSends(sendWords([{ opcode: 0, sges: [rig.sge(0, 8)], remoteAddress: 0n, rkey: 0 }]), 1);
    await until(() => told.length === 2);
    const event = { type: 'QP_ACCESS_ERR', queuePair: rig.b.number };
    expect(told).toEqual([event, event]);
  });
});
