// A test for each line of the ownership ledger in docs/rdma.md, named after it.
import { ledger } from 'ibverbs-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { someBags, tables } from '../60.transport/rig.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { Rogue } from './rogue.ts';

let cluster: Cluster;
let wanted: object[];
const bags = someBags(3, 9);
const before = ledger();
beforeAll(async () => {
  cluster = await Cluster.start({ tables, nodes: 1, rdma: true });
  await using local = await cluster.tables();
  wanted = bits(await local.lookup(bags));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  // Whatever was made has been given back.
  expect(ledger()).toEqual(before);
});

interface Asking extends AsyncDisposable {
  readonly ranker: Ranker;
  readonly transport: RdmaTransport;
}

/** A ranker that is connected. */
async function asking(): Promise<Asking> {
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  const ranker = await cluster.ranker({ transport });
  await expect.poll(() => transport.connected).toBe(1);
  return { ranker, transport, [Symbol.asyncDispose]: () => ranker.close() };
}

const url = (): string => cluster.nodes[0].url;
const quickly = (asked: KeyedBags = bags): [KeyedBags, { deadline: number }] => [asked, { deadline: 60_000 }];

test('a request slot here is the lookup’s until its reply has come: many at once do not mix', async () => {
  await using own = await asking();
  const all = await Promise.all(Array.from({ length: 300 }, () => own.ranker.lookup(...quickly())));
  for (const lookup of all) expectBits(bits(lookup), wanted);
});

test('a request slot there is the ranker’s until it tells of it, then the node’s: one that is none ends the connection', async () => {
  using rogue = await Rogue.connect(url());
  const { requests } = rogue.answer;
  // There are four.
  expect(await rogue.transfer('writeImmediate', requests.address, requests.rkey, 64, 99)).toBe('SUCCESS');
  await rogue.ended;
});

test('the region of a session’s slots is the only one that its ranker writes to', async () => {
  using rogue = await Rogue.connect(url());
  const { requests } = rogue.answer;
  const end = requests.address + requests.count * (requests.bytes + 64);
  expect(await rogue.transfer('write', end, requests.rkey, 64)).toBe('REM_ACCESS_ERR');
  await rogue.ended;
});

test('the region of a session’s slots ends with the session', async () => {
  using first = await Rogue.connect(url());
  const { requests } = first.answer;
  const { memoryRegions } = ledger();
  first.vanish();
  await expect.poll(() => ledger().memoryRegions).toBeLessThan(memoryRegions);
  using second = await Rogue.connect(url());
  expect(await second.transfer('write', requests.address, requests.rkey, 64)).toBe('REM_ACCESS_ERR');
});

test('regions of rows are there to be read, and for nothing else', async () => {
  using reader = await Rogue.connect(url());
  const { shards } = reader.answer;
  const [{ address, rkey, rowBytes }] = shards;
  expect(await reader.transfer('read', address, rkey, rowBytes)).toBe('SUCCESS');
  expect(reader.memory.subarray(0, rowBytes).some((byte) => byte !== 0)).toBe(true);
  expect(await reader.transfer('write', address, rkey, rowBytes)).toBe('REM_ACCESS_ERR');
  await reader.ended;
});

test('regions of rows end before their room does: a late READ fails, and is asked for again', async () => {
  await using fresh = await Cluster.start({ tables, nodes: 1, rdma: true });
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await fresh.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  const usual = bits(await ranker.lookup(...quickly()));
  // Its regions are gone, its frames are answered still.
  fresh.deregister();
  expectBits(bits(await ranker.lookup(...quickly())), usual);
  expect(transport.connected).toBe(0);
});

test('an answer’s slot is the node’s until its reply has left', async () => {
  await using own = await asking();
  for (let i = 0; i < 200; i++) expectBits(bits(await own.ranker.lookup(...quickly())), wanted);
  const [node] = cluster.handlers.values();
  await expect.poll(() => (node as unknown as { stats: { held: number } }).stats.held).toBe(0);
});

test('a reply’s memory is the lookup’s until it is disposed of', async () => {
  await using own = await asking();
  const kept = await own.ranker.lookup(...quickly());
  for (let i = 0; i < 100; i++) (await own.ranker.lookup(...quickly(someBags(i, 9))))[Symbol.dispose]();
  expectBits(bits(kept), wanted);
});

test('a receive entry is the card’s until a frame came; then another is there, however many come', async () => {
  await using own = await asking();
  for (let i = 0; i < 4; i++)
    await Promise.all(Array.from({ length: 100 }, () => own.ranker.lookup(...quickly())));
  // A frame that finds none ends the connection.
  expect(own.transport.connected).toBe(1);
});

test('a send entry is the card’s until its completion was polled; what finds none waits', async () => {
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await cluster.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  // A READ a row: several times what a send queue holds.
  const many = someBags(5, 2_000);
  await using local = await cluster.tables();
  const usual = bits(await local.lookup(many));
  const lookups = Array.from({ length: 4 }, () => ranker.lookup(...quickly(many)));
  for (const lookup of await Promise.all(lookups)) expectBits(bits(lookup), usual);
  expect(transport.connected).toBe(1);
});

test('the device is the process’s, once, and every thread lets go of it', async () => {
  const { contexts } = ledger();
  await using _one = await asking();
  await using _other = await asking();
  expect(ledger().contexts).toBe(contexts);
});

test('queue pairs, queues and domains are their thread’s, and end with it', async () => {
  const alive = ledger();
  for (let i = 0; i < 20; i++) {
    await using own = await asking();
    expectBits(bits(await own.ranker.lookup(...quickly())), wanted);
  }
  await expect.poll(() => ledger()).toEqual(alive);
});

test('a connection ends when either side closes what it was set up over', async () => {
  using rogue = await Rogue.connect(url());
  await using own = await asking();
  await cluster.nodes[0].close();
  await rogue.ended;
  await expect.poll(() => own.transport.connected).toBe(0);
  await cluster.nodes[0].reopen?.();
  await expect
    .poll(async () => {
      expectBits(bits(await own.ranker.lookup(...quickly())), wanted);
      return own.transport.connected;
    })
    .toBe(1);
});
