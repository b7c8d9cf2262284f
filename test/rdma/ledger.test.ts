// A test for each line of the ownership ledger in docs/rdma.md, named after it.
import { ledger } from 'ibverbs-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EngineRanker } from '../../src/engine/engine-ranker.ts';
import type { KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { knownFrom } from '../../src/transport/rdma/handshake.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { someBags, tables } from '../60.transport/rig.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { little, Rogue } from './rogue.ts';

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
  // All objects that were created have been freed.
  expect(ledger()).toEqual(before);
});

interface Asking extends AsyncDisposable {
  readonly ranker: Ranker;
  readonly transport: RdmaTransport;
}

/** Opens a ranker, and waits until it is connected. */
async function asking(): Promise<Asking> {
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  const ranker = await cluster.ranker({ transport });
  await expect.poll(() => transport.connected).toBe(1);
  return { ranker, transport, [Symbol.asyncDispose]: () => ranker.close() };
}

const url = (): string => cluster.nodes[0].url;
const quickly = (asked: KeyedBags = bags): [KeyedBags, { deadline: number }] => [asked, { deadline: 60_000 }];

test('a request slot of the ranker belongs to a lookup until its reply has arrived', async () => {
  await using own = await asking();
  const all = await Promise.all(Array.from({ length: 300 }, () => own.ranker.lookup(...quickly())));
  for (const lookup of all) expectBits(bits(lookup), wanted);
});

test('a request slot of the node belongs to the ranker until it announces it, then to the node', async () => {
  using rogue = await Rogue.connect(url());
  const { requests } = rogue.answer;
  // The node has four slots. Announcing slot 99 ends the connection.
  expect(await rogue.transfer('writeImmediate', requests.address, requests.rkey, 64, 99)).toBe('SUCCESS');
  await rogue.ended;
});

test('a ranker can only write to the region of its session’s slots', async () => {
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

test('regions of rows can only be read', async () => {
  using reader = await Rogue.connect(url());
  const { shards } = reader.answer;
  const [{ address, rkey, rowBytes }] = shards;
  expect(await reader.transfer('read', address, rkey, rowBytes)).toBe('SUCCESS');
  expect(reader.memory.subarray(0, rowBytes).some((byte) => byte !== 0)).toBe(true);
  expect(await reader.transfer('write', address, rkey, rowBytes)).toBe('REM_ACCESS_ERR');
  await reader.ended;
});

test('regions of rows end before their memory is reused: a late READ fails and is retried', async () => {
  await using fresh = await Cluster.start({ tables, nodes: 1, rdma: true });
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await fresh.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  const usual = bits(await ranker.lookup(...quickly()));
  // The node has deregistered its regions, but still answers frames.
  fresh.deregister();
  expectBits(bits(await ranker.lookup(...quickly())), usual);
  expect(transport.connected).toBe(0);
});

test('regions of rows end once each ranker has confirmed that it reads them no more, or is not connected', async () => {
  await using fresh = await Cluster.start({ tables, nodes: 1, rdma: true });
  const [node] = fresh.nodes;
  using reader = await Rogue.connect(node.url, { ...little, takesLists: true });
  using silent = await Rogue.connect(node.url, { ...little, takesLists: true });
  const [{ address, rkey, rowBytes }] = reader.answer.shards;
  const { memoryRegions } = ledger();
  const forgotten = node.forget?.();
  await expect.poll(() => reader.told.map(({ releases }) => releases[0].shards)).toEqual([[]]);
  expect(await reader.transfer('read', address, rkey, rowBytes)).toBe('SUCCESS');
  const { requests } = reader.answer;
  const known = knownFrom + reader.told[0].number;
  expect(await reader.transfer('writeImmediate', requests.address, requests.rkey, 0, known)).toBe('SUCCESS');
  expect(ledger().memoryRegions).toBe(memoryRegions);
  // Who does not confirm is disconnected.
  await silent.ended;
  await forgotten;
  expect(ledger().memoryRegions).toBeLessThan(memoryRegions);
  expect(await reader.transfer('read', address, rkey, rowBytes)).toBe('REM_ACCESS_ERR');
  await reader.ended;
});

test('the list of rows that may be read belongs to the node; a ranker that has confirmed it sends frames instead', async () => {
  await using fresh = await Cluster.start({ tables, nodes: 1, rdma: true });
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await fresh.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  const asking = Array.from({ length: 20 }, () => ranker.lookup(...quickly()));
  await fresh.nodes[0].forget?.();
  for (const lookup of await Promise.all(asking)) expectBits(bits(lookup), wanted);
  expectBits(bits(await ranker.lookup(...quickly())), wanted);
  expect(transport.connected).toBe(1);
  expect(ranker.stats.retries).toBe(0);
  // A confirmation of a list that nobody has told ends the connection.
  using rogue = await Rogue.connect(fresh.nodes[0].url);
  const { requests } = rogue.answer;
  await rogue.transfer('writeImmediate', requests.address, requests.rkey, 0, knownFrom + 5);
  await rogue.ended;
});

test('the slot of an answer belongs to the node until its reply was sent', async () => {
  await using own = await asking();
  for (let i = 0; i < 200; i++) expectBits(bits(await own.ranker.lookup(...quickly())), wanted);
  const [node] = cluster.handlers.values();
  await expect.poll(() => (node as unknown as { stats: { held: number } }).stats.held).toBe(0);
});

test('the memory of a reply belongs to the lookup until it is disposed', async () => {
  await using own = await asking();
  const kept = await own.ranker.lookup(...quickly());
  for (let i = 0; i < 100; i++) (await own.ranker.lookup(...quickly(someBags(i, 9))))[Symbol.dispose]();
  expectBits(bits(kept), wanted);
});

test('a receive entry belongs to the card until a frame arrives; then another is posted', async () => {
  await using own = await asking();
  for (let i = 0; i < 4; i++)
    await Promise.all(Array.from({ length: 100 }, () => own.ranker.lookup(...quickly())));
  // If a frame found no receive entry, the connection would end.
  expect(own.transport.connected).toBe(1);
});

test('a send entry belongs to the card until its completion was polled; requests without an entry wait', async () => {
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await cluster.ranker({ transport, pushDown: 'never' });
  await expect.poll(() => transport.connected).toBe(1);
  // One READ per row, which is several times the capacity of a send queue.
  const many = someBags(5, 2_000);
  await using local = await cluster.tables();
  const usual = bits(await local.lookup(many));
  const lookups = Array.from({ length: 4 }, () => ranker.lookup(...quickly(many)));
  for (const lookup of await Promise.all(lookups)) expectBits(bits(lookup), usual);
  expect(transport.connected).toBe(1);
});

test('a process opens the device once, and every thread releases it', async () => {
  const { contexts } = ledger();
  await using _one = await asking();
  await using _other = await asking();
  expect(ledger().contexts).toBe(contexts);
});

test('queue pairs, queues and domains belong to a thread, and end with it', async () => {
  const alive = ledger();
  for (let i = 0; i < 20; i++) {
    await using own = await asking();
    expectBits(bits(await own.ranker.lookup(...quickly())), wanted);
  }
  await expect.poll(() => ledger()).toEqual(alive);
});

test('a connection belongs to one engine; if it moves, the engine answers what it has, and ends it', async () => {
  const alive = ledger();
  const ranker = await cluster.ranker({ transport: 'rdma', engines: 2 });
  const moving = ranker as EngineRanker;
  const [connection] = moving.owners.keys();
  let moves = 0;
  const lookups = Array.from({ length: 8 }, async () => {
    while (moves < 12) expectBits(bits(await ranker.lookup(...quickly())), wanted);
  });
  for (; moves < 12; moves++) await moving.move(connection, (moves + 1) % 2);
  await Promise.all(lookups);
  expect(moving.owners.get(connection)).toBe(0);
  expect(ranker.stats.retries).toBe(0);
  // The engine that does not own it has none. The node's end is in this process, too.
  await expect.poll(() => ledger().queuePairs).toBe(alive.queuePairs + 2);
  await ranker.close();
  await expect.poll(() => ledger()).toEqual(alive);
});

test('a connection ends when either side closes its control request', async () => {
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
