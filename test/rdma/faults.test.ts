// Verbs of the stand-in fail on purpose. Lookups still give their bits, and nothing is left behind.
import { ledger } from 'ibverbs-node';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { someBags, tables } from '../60.transport/rig.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { openStandIn, total, type Work } from './stand-in.ts';

const standIn = openStandIn();
const [ENOMEM, EINVAL] = [12, 22];
const bags = someBags(3, 9);
let cluster: Cluster;
let wanted: object[];
beforeAll(async () => {
  cluster = await Cluster.start({ tables, nodes: 2, rdma: true });
  await using local = await cluster.tables();
  wanted = bits(await local.lookup(bags));
});
afterAll(() => cluster?.[Symbol.asyncDispose]());
afterEach(() => {
  standIn.reset();
});

const open = (): Promise<RdmaTransport> => RdmaTransport.open(new StreamTransport(new HttpTransport()), {});

/** Verbs that can fail while a connection is set up. */
const setUp = [
  ['ibv_create_qp', ENOMEM],
  ['ibv_reg_mr', ENOMEM],
  ['ibv_modify_qp', EINVAL],
  ['ibv_post_recv', ENOMEM],
] as const;

test.for(setUp.flatMap(([verb, errno]) => [1, 2, 3].map((count) => [verb, errno, count] as const)))(
  '%s fails (errno %i) %i times while connections are set up',
  async ([verb, errno, count]) => {
    const before = ledger();
    {
      const transport = await open();
      expect(standIn.failNext(verb, errno, count)).toBe(0);
      await using ranker = await cluster.ranker({ transport });
      expectBits(bits(await ranker.lookup(bags)), wanted);
      await expect
        .poll(async () => {
          expectBits(bits(await ranker.lookup(bags)), wanted);
          return transport.connected;
        })
        .toBe(2);
    }
    await expect.poll(() => ledger()).toEqual(before);
  },
);

test.for([
  ['ibv_post_send', ENOMEM],
  ['ibv_post_recv', ENOMEM],
] as const)('%s fails under load, and connections are set up again', async ([verb, errno]) => {
  const transport = await open();
  await using ranker = await cluster.ranker({ transport });
  await expect.poll(() => transport.connected).toBe(2);
  const lookups = Array.from({ length: 60 }, (_, i) => {
    if (i % 20 === 10) standIn.failNext(verb, errno, 1);
    return ranker.lookup(bags);
  });
  for (const lookup of await Promise.all(lookups)) expectBits(bits(lookup), wanted);
  await expect
    .poll(async () => {
      expectBits(bits(await ranker.lookup(bags)), wanted);
      return transport.connected;
    })
    .toBe(2);
});

test('if a device refuses the inline bytes, half of them are requested, until it accepts or none remain', async () => {
  const before = ledger();
  // One key per table, so that subrequests have fewer than 256 bytes.
  const few = Object.fromEntries(
    Object.entries(bags).map(([name, { keys }]) => [name, { keys: keys.slice(0, 1), lengths: [1] }]),
  );
  const work = (): Pick<Work, 'sends' | 'inlineSends'> => total(standIn.threadDomains());
  const sent = async (refusals: number): Promise<number> => {
    const transport = await open();
    standIn.failNext('ibv_create_qp', EINVAL, refusals);
    await using ranker = await cluster.ranker({ transport, pushDown: 'always' });
    await expect.poll(() => transport.connected).toBe(2);
    const { sends, inlineSends } = work();
    await ranker.lookup(few);
    // A node may count its reply shortly after it has arrived.
    await expect.poll(() => work().sends - sends).toBe(4);
    return work().inlineSends - inlineSends;
  };
  const all = await sent(0);
  // The first queue pair is this ranker's, for one of two nodes. It requests 256 bytes, 128 … 1, and then none.
  expect(await sent(9)).toBe(all - 1);
  await expect.poll(() => ledger()).toEqual(before);
});

/** A completion queue is created twice: in the parent domain, and if that fails without it. */
const makers = [
  ['ibv_alloc_parent_domain', 1],
  ['ibv_create_comp_channel', 1],
  ['ibv_create_cq', 2],
  ['ibv_req_notify_cq', 1],
] as const;
test.for(makers)('opening a ranker reports that %s failed, and leaves nothing', async ([verb, count]) => {
  const before = ledger();
  expect(standIn.failNext(verb, ENOMEM, count)).toBe(0);
  await expect(open()).rejects.toMatchObject({ name: 'IbverbsError', verb, code: 'ENOMEM' });
  expect(ledger()).toEqual(before);
});

test('if too little memory can be registered, opening fails with an error that says what to set', async () => {
  const before = ledger();
  standIn.limitRegisteredBytes(standIn.live().registeredBytes + 4_096);
  const error = { code: 'OUT_OF_MEMORY', message: expect.stringMatching(/ulimit -l|more memory/) };
  await expect(open()).rejects.toMatchObject(error);
  const { file, routing } = cluster;
  const options = { tables: file, routing, node: 'n0', workers: 1, rdma: {} };
  await expect(MemoryNodeHost.start(options)).rejects.toMatchObject(error);
  await expect.poll(() => ledger()).toEqual(before);
});

test('if a worker cannot register memory, its node reports the same error', async () => {
  const before = ledger();
  // Enough for the tables, but not for the slots of a worker.
  standIn.limitRegisteredBytes(standIn.live().registeredBytes + 2 ** 24);
  const { file, routing } = cluster;
  const options = { tables: file, routing, node: 'n0', workers: 2, rdma: {} };
  await expect(MemoryNodeHost.start(options)).rejects.toMatchObject({
    code: 'OUT_OF_MEMORY',
    message: expect.stringMatching(/ulimit -l|more memory/),
  });
  await expect.poll(() => ledger()).toEqual(before);
});

test('if a node cannot register more memory, rankers use the stream', async () => {
  const before = ledger();
  {
    const transport = await open();
    standIn.limitRegisteredBytes(standIn.live().registeredBytes);
    await using ranker = await cluster.ranker({ transport });
    for (let i = 0; i < 20; i++) expectBits(bits(await ranker.lookup(bags)), wanted);
    expect(transport.connected).toBe(0);
  }
  await expect.poll(() => ledger()).toEqual(before);
});
