// Checks how failures are reported.
import { access, IbverbsError, MemoryRegion, QueuePair, sendFlags, sendOpcode } from 'ibverbs-node';
import { describe, expect, test } from 'vitest';
import { connect, firstDevice, Rig, receiveWords, type Send, sendWords, take, usableGid } from './rig.ts';

const impatient = { timeout: 8, retries: 1, rnrRetries: 1 };
const write = (rig: Rig, change: Partial<Send> = {}): Send => ({
  ...{ opcode: sendOpcode.write, flags: sendFlags.signaled, sges: [rig.sge(0, 8)] },
  ...{ remoteAddress: rig.address(8192), rkey: rig.region.rkey },
  ...change,
});

describe.skipIf(firstDevice() === undefined)('faults', () => {
  test.each([sendOpcode.write, sendOpcode.read])(
    'beyond the region (opcode %i): REM_ACCESS_ERR, then WR_FLUSH_ERR',
    async (opcode) => {
      using rig = new Rig();
      const beyond = rig.address(rig.bytes.length - 4);
      rig.send(write(rig, { opcode, id: 1n, remoteAddress: beyond }), write(rig, { id: 2n }));
      const [first, second] = await take(rig.sent, 2);
      expect(first).toMatchObject({ id: 1n, status: 'REM_ACCESS_ERR', queuePair: rig.a.number });
      expect(second).toMatchObject({ id: 2n, status: 'WR_FLUSH_ERR' });
      expect(rig.a.query().state).toBe('error');
    },
  );

  test('a region that others may only read', async () => {
    using rig = new Rig();
    using readable = MemoryRegion.register(rig.domain, rig.bytes, access.remoteRead);
    rig.send(write(rig, { opcode: sendOpcode.read, rkey: readable.rkey }));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
    rig.send(write(rig, { rkey: readable.rkey }));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'REM_ACCESS_ERR' }]);
  });

  test('a region that is closed', async () => {
    using rig = new Rig();
    const region = MemoryRegion.register(rig.domain, rig.bytes, 15);
    region.close();
    rig.send(write(rig, { rkey: region.rkey }));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'REM_ACCESS_ERR' }]);
  });

  test('no receive: RNR_RETRY_EXC_ERR', async () => {
    using rig = new Rig(undefined, impatient);
    rig.send(write(rig, { opcode: sendOpcode.send }));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'RNR_RETRY_EXC_ERR' }]);
  });

  test('a send is retried until a receive is posted', async () => {
    using rig = new Rig();
    rig.send(write(rig, { opcode: sendOpcode.send }));
    rig.receive(1n, rig.sge(8192, 8));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
    expect(await take(rig.received, 1)).toMatchObject([{ id: 1n, bytes: 8 }]);
  });

  test('the other pair is closed: RETRY_EXC_ERR', async () => {
    using rig = new Rig(undefined, impatient);
    rig.b.close();
    rig.send(write(rig));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'RETRY_EXC_ERR' }]);
  });

  test('toError flushes outstanding receives', async () => {
    using rig = new Rig();
    rig.receive(1n, rig.sge(0, 8));
    rig.receive(2n, rig.sge(0, 8));
    rig.b.toError();
    expect(await take(rig.received, 2)).toMatchObject([
      { id: 1n, status: 'WR_FLUSH_ERR' },
      { id: 2n, status: 'WR_FLUSH_ERR' },
    ]);
  });

  test('a pair can be connected again after an error', async () => {
    using rig = new Rig();
    rig.a.toError();
    const gid = usableGid(rig.context);
    for (const pair of [rig.a, rig.b]) pair.toReset();
    connect(rig.a, rig.b.number, gid);
    connect(rig.b, rig.a.number, gid);
    rig.send(write(rig));
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'SUCCESS' }]);
  });

  test('a transition that is not allowed names the pair', () => {
    using rig = new Rig();
    const options = { sendQueue: rig.sent, receiveQueue: rig.sent, maxSends: 1, maxReceives: 1 };
    using pair = new QueuePair(rig.domain, options);
    const send = { packetNumber: 0, timeout: 14, retries: 7, rnrRetries: 7, maxReadsInFlight: 1 };
    expect(() => pair.toReadyToSend(send)).toThrow(
      expect.objectContaining({ verb: 'ibv_modify_qp', object: `queue pair ${pair.number}`, code: 'EINVAL' }),
    );
  });

  test('more receives than the queue can hold: ENOMEM, and the number that were posted', () => {
    using rig = new Rig();
    const options = { sendQueue: rig.sent, receiveQueue: rig.sent, maxSends: 4, maxReceives: 4 };
    using pair = new QueuePair(rig.domain, options);
    pair.toInit({ port: 1, access: 0 });
    const count = 4096;
    const words = receiveWords(
      Array.from({ length: count }, (_, i) => ({ id: BigInt(i), sges: [rig.sge(0, 8)] })),
    );
    let error: unknown;
    try {
      pair.postReceives(words, count);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(IbverbsError);
    const { verb, code, posted } = error as IbverbsError;
    expect([verb, code]).toEqual(['ibv_post_recv', 'ENOMEM']);
    expect(posted).toBeGreaterThanOrEqual(4);
    expect(posted).toBeLessThan(count);
    // The receives that were posted complete.
    pair.toError();
    return take(rig.sent, posted ?? 0);
  });

  test('if a send in a list is refused, the sends before it are posted', async () => {
    using rig = new Rig();
    const words = sendWords([write(rig, { id: 1n }), write(rig, { id: 2n }), write(rig, { id: 3n })]);
    const inlineTooLong = sendWords([
      write(rig, { flags: sendFlags.signaled | sendFlags.inline, sges: [rig.sge(0, 65536)] }),
    ]);
    words.set(inlineTooLong, 64);
    expect(() => rig.a.postSends(words, 3)).toThrow(
      expect.objectContaining({ verb: 'ibv_post_send', posted: 2 }),
    );
    expect(await take(rig.sent, 2)).toMatchObject([{ id: 1n }, { id: 2n }]);
  });

  test('a pair that asks for too much', () => {
    using rig = new Rig();
    const maxSends = rig.context.attributes.maxWorkRequests + 1;
    const options = { sendQueue: rig.sent, receiveQueue: rig.sent, maxSends, maxReceives: 1 };
    expect(() => new QueuePair(rig.domain, options)).toThrow(
      expect.objectContaining({ verb: 'ibv_create_qp', object: rig.context.device }),
    );
  });
});
