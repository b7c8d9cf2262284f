// Checks the work of each thread on its queues, which the stand-in counts.
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { someBags, tables } from '../60.transport/rig.ts';
import { Cluster } from '../cluster.ts';
import { openStandIn, total } from './stand-in.ts';

const standIn = openStandIn();
const workers = 2;
let cluster: Cluster;
let ranker: Ranker;
let transport: RdmaTransport;
beforeAll(async () => {
  cluster = await Cluster.start({ tables, nodes: 1, workers, rdma: true });
  transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  ranker = await cluster.ranker({ transport, pushDown: 'always' });
});
afterAll(async () => {
  await ranker?.close();
  await cluster?.[Symbol.asyncDispose]();
});

test('every thread has its own thread domain, and uses only that', async () => {
  await expect.poll(() => transport.connected).toBe(workers);
  for (let batch = 0; batch < 20; batch++)
    await Promise.all(Array.from({ length: 100 }, (_, i) => ranker.lookup(someBags(i, 3))));
  const domains = standIn.threadDomains();
  expect(domains).toHaveLength(workers + 1);
  for (const { sends, receives } of domains) expect(Math.min(sends, receives)).toBeGreaterThan(0);
  expect(standIn.sharedWork()).toMatchObject({ sends: 0, receives: 0 });
  expect([standIn.violations(), standIn.lastViolation(), standIn.overruns()]).toEqual([0, undefined, 0]);
  // Nodes send one reply for each request of the ranker.
  const sends = domains.map((work) => work.sends);
  expect(2 * Math.max(...sends)).toBe(sends.reduce((a, b) => a + b));
  // Frames that are ready at the same time are posted together.
  for (const { doorbells, sends: posted } of domains) expect(doorbells).toBeLessThan(posted / 2);
});

test('every engine has its own thread domain, in the device of the process', async () => {
  const before = standIn.threadDomains().length;
  const { contexts } = standIn.live();
  await using engines = await cluster.ranker({ transport: 'rdma', engines: 2, pushDown: 'always' });
  await expect.poll(() => standIn.threadDomains().length).toBe(before + 2);
  expect(standIn.live().contexts).toBe(contexts);
  // There is one connection to each worker, and each engine owns one.
  const own = (): number[] =>
    standIn
      .threadDomains()
      .slice(before)
      .map(({ sends }) => sends);
  await expect
    .poll(async () => {
      await Promise.all(Array.from({ length: 50 }, (_, i) => engines.lookup(someBags(i, 3))));
      return Math.min(...own());
    })
    .toBeGreaterThan(100);
  expect(standIn.threadDomains().map(({ threads }) => threads)).toEqual(new Array(before + 2).fill(1));
  expect(standIn.sharedWork()).toMatchObject({ sends: 0, receives: 0 });
  expect([standIn.violations(), standIn.lastViolation(), standIn.overruns()]).toEqual([0, undefined, 0]);
});

/** How many of a subrequest and its reply were sent inline. */
async function inlineOf(work: () => Promise<unknown>): Promise<number> {
  const before = total(standIn.threadDomains());
  await work();
  // A node may count its reply shortly after it has arrived.
  await expect.poll(() => total(standIn.threadDomains()).sends - before.sends).toBe(2);
  return total(standIn.threadDomains()).inlineSends - before.inlineSends;
}

test('small frames are sent inline, larger ones from their memory', async () => {
  await expect.poll(() => transport.connected).toBe(workers);
  // With 16 columns, the subrequest and the reply have fewer than 256 bytes each.
  const small = { sum: { keys: [1], offsets: [0] } };
  expect(await inlineOf(() => ranker.lookup(small))).toBe(2);
  // With many bags, both have more.
  const large = { sum: { keys: Array.from({ length: 100 }, (_, i) => i), lengths: new Array(100).fill(1) } };
  expect(await inlineOf(() => ranker.lookup(large))).toBe(0);
});

test('an idle thread waits, and does not poll', async () => {
  await ranker.lookup(someBags(1, 3));
  await expect
    .poll(async () => {
      const before = performance.eventLoopUtilization();
      await new Promise((waited) => setTimeout(waited, 100));
      return performance.eventLoopUtilization(before).utilization;
    })
    .toBeLessThan(0.5);
  await ranker.lookup(someBags(2, 3));
});
