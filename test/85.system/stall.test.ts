// Memory nodes that stall while their connections stay open, and rankers that are closed during lookups.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openRanker } from '../../src/host/open-ranker.ts';
import { transportNames } from '../../src/host/transport-names.ts';
import { FlexemrError } from '../../src/index.ts';
import { fetchConnectionsMax } from '../../src/limits.ts';
import { hedgeReserve, hedgeShareMax } from '../../src/replica-limits.ts';
import { ExactCase, recovered } from './exact-case.ts';
import { replicated } from './exact-tables.ts';
import { held } from './leftovers.ts';
import { Load } from './load.ts';

const deadlineMs = 1_000;

/** RDMA has its own tests (test/rdma). If a node stalls, it relies on the stream that it uses too. */
const throughSockets = transportNames.filter((name) => name !== 'rdma');

test.for(throughSockets)(
  'lookups at a stalled node fail at their deadline, and the node is found again, by %s',
  async (transport) => {
    await using given = await ExactCase.open();
    const { nodes, routing } = await given.start();
    await using ranker = await openRanker({ routing, transport });
    const load = new Load(ranker, given.asked, { concurrency: 6, deadlineMs });
    load.start();
    await sleep(50);
    const [victim] = nodes;
    load.mayFail.add(victim.id);
    await victim.stall();
    await sleep(2 * deadlineMs);
    victim.goOn();
    await recovered(ranker, given.asked[0]);
    // Lookups that began before may still fail.
    await sleep(deadlineMs);
    load.mayFail.delete(victim.id);
    const troubled = load.take();
    await sleep(200);
    await load.rest();
    expect(troubled.failed).toBeGreaterThan(0);
    expect(troubled.partial).toBeGreaterThan(0);
    expect(load.take().right).toBeGreaterThan(0);
  },
);

test('lookups go on while one of two replicas stalls, and few subrequests are sent twice', async () => {
  await using given = await ExactCase.open();
  const { nodes, routing } = await given.start(replicated);
  await using ranker = await openRanker({ routing, transport: 'stream' });
  const load = new Load(ranker, given.asked, { concurrency: 6, deadlineMs: 10_000 });
  load.start();
  for (const victim of nodes) {
    await sleep(200);
    await victim.stall();
    await sleep(500);
    victim.goOn();
  }
  // No node is allowed to fail, so this throws the first error.
  await load.rest();
  const { subrequests, hedged, hedgesWon } = ranker.stats;
  expect(hedgesWon).toBeGreaterThan(0);
  expect(hedged).toBeLessThanOrEqual(hedgeShareMax * subrequests + hedgeReserve);
});

/** Lookups of 100 KB that get no answer. If a ranker kept them, that would be 60 MB and 600 connections per second. */
const unanswered = { concurrency: 12, deadline: 20, ms: 3_000, bytesMax: 32 * 2 ** 20 };

test.for(throughSockets)(
  'a stalled node does not make rankers accumulate memory or sockets, by %s',
  async (transport) => {
    await using given = await ExactCase.open();
    const { nodes, routing } = await given.start();
    await using ranker = await openRanker({ routing, transport, pushDown: 'always' });
    const bags = { t0: { keys: Uint32Array.from({ length: 25_000 }, (_, i) => i % 3_000), offsets: [0] } };
    await ranker.lookup(bags);
    const before = await held();
    await nodes[0].stall();
    const until = performance.now() + unanswered.ms;
    let [mostBytes, mostSockets] = [0, 0];
    const ask = async (): Promise<void> => {
      while (performance.now() < until) {
        const lookup = ranker.lookup(bags, { deadline: unanswered.deadline });
        await expect(lookup).rejects.toMatchObject({ node: 'n0' });
      }
    };
    const asking = Promise.all(Array.from({ length: unanswered.concurrency }, ask));
    while (performance.now() < until) {
      await sleep(250);
      const { bytes, sockets } = await held();
      [mostBytes, mostSockets] = [Math.max(mostBytes, bytes), Math.max(mostSockets, sockets)];
    }
    await asking;
    nodes[0].goOn();
    await recovered(ranker, given.asked[0]);
    expect(mostBytes - before.bytes).toBeLessThan(unanswered.bytesMax);
    expect(mostSockets - before.sockets).toBeLessThanOrEqual(fetchConnectionsMax);
  },
);

test.for(throughSockets)(
  'closing a ranker under load fails its lookups in flight and closes its sockets, by %s',
  async (transport) => {
    await using given = await ExactCase.open();
    const { routing } = await given.start();
    const before = await held();
    const ranker = await openRanker({ routing, transport });
    const lookups = given.asked.map(({ bags }) => ranker.lookup(bags).catch((error: unknown) => error));
    await ranker.lookup(given.asked[0].bags);
    const more = given.asked.map(({ bags }) => ranker.lookup(bags).catch((error: unknown) => error));
    await ranker.close();
    const ended = await Promise.all([...lookups, ...more]);
    for (const error of ended) if (error instanceof Error) expect(error).toBeInstanceOf(FlexemrError);
    expect(ended.some((error) => error instanceof FlexemrError)).toBe(true);
    await expect(ranker.lookup(given.asked[0].bags)).rejects.toMatchObject({ code: 'RELEASED' });
    await expect.poll(async () => (await held()).sockets).toBeLessThanOrEqual(before.sockets);
  },
);

test.for(throughSockets)(
  'closing a ranker does not wait for a node that has stalled, by %s',
  async (transport) => {
    await using given = await ExactCase.open();
    const { nodes, routing } = await given.start();
    const before = await held();
    const ranker = await openRanker({ routing, transport });
    for (const node of nodes) await node.stall();
    const lookups = given.asked.map(({ bags }) => ranker.lookup(bags, { deadline: 20 }));
    for (const ended of await Promise.allSettled(lookups))
      expect(ended).toMatchObject({ reason: { code: 'DEADLINE_EXCEEDED' } });
    await ranker.close();
    await expect.poll(async () => (await held()).sockets).toBeLessThanOrEqual(before.sockets);
  },
);
