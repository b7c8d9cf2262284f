// Verbs that fail on purpose, on the stand-in: lookups have their bits all the same, and nothing is left behind.
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

/** While it is set up, and once it is: how often a verb may fail without harm. */
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
] as const)('%s fails under load, and connections come back', async ([verb, errno]) => {
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

test('a device that refuses inline room is asked for half, until it gives some or none is left', async () => {
  const before = ledger();
  // A key a table: no subrequest has 256 bytes.
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
    // A node may count its reply a moment after it has come.
    await expect.poll(() => work().sends - sends).toBe(4);
    return work().inlineSends - inlineSends;
  };
  const all = await sent(0);
  // The first end that is made is this ranker's, to one of two nodes: 256 bytes, 128 … 1, and then none.
  expect(await sent(9)).toBe(all - 1);
  await expect.poll(() => ledger()).toEqual(before);
});

/** A completion queue is asked for twice: in the parent domain, and where that fails by itself. */
const makers = [
  ['ibv_alloc_parent_domain', 1],
  ['ibv_create_comp_channel', 1],
  ['ibv_create_cq', 2],
  ['ibv_req_notify_cq', 1],
] as const;
test.for(makers)('a ranker that opens says that %s failed, and leaves nothing', async ([verb, count]) => {
  const before = ledger();
  expect(standIn.failNext(verb, ENOMEM, count)).toBe(0);
  await expect(open()).rejects.toMatchObject({ name: 'IbverbsError', verb, code: 'ENOMEM' });
  expect(ledger()).toEqual(before);
});

test('too little memory that may be registered is said at once, with what to set', async () => {
  const before = ledger();
  standIn.limitRegisteredBytes(standIn.live().registeredBytes + 4_096);
  const error = { code: 'OUT_OF_MEMORY', message: expect.stringMatching(/ulimit -l|more memory/) };
  await expect(open()).rejects.toMatchObject(error);
  const { file, routing } = cluster;
  const options = { tables: file, routing, node: 'n0', workers: 1, rdma: {} };
  await expect(MemoryNodeHost.start(options)).rejects.toMatchObject(error);
  await expect.poll(() => ledger()).toEqual(before);
});

test('what a worker may not register is said as by the node itself', async () => {
  const before = ledger();
  // Room for the tables, and none for a worker's slots.
  standIn.limitRegisteredBytes(standIn.live().registeredBytes + 2 ** 24);
  const { file, routing } = cluster;
  const options = { tables: file, routing, node: 'n0', workers: 2, rdma: {} };
  await expect(MemoryNodeHost.start(options)).rejects.toMatchObject({
    code: 'OUT_OF_MEMORY',
    message: expect.stringMatching(/ulimit -l|more memory/),
  });
  await expect.poll(() => ledger()).toEqual(before);
});

test('a node that may register no more sends rankers to the stream', async () => {
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
