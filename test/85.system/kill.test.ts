// Memory nodes and workers that die under load.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { below, random } from '../../src/simulation/random.ts';
import { runs } from '../runs.ts';
import { ExactCase, recovered } from './exact-case.ts';
import { nodeIds, replicated, routing } from './exact-tables.ts';
import { firstAndLast, type Held, held } from './leftovers.ts';
import { addOutcomes, Load, noOutcomes } from './load.ts';

const concurrency = 6;
/** Long enough for a node that has just started, on a machine that is busy with other work. */
const deadlineMs = 3_000;

/** The allowed growth: compiled code of the engine, and freed pages that the system keeps. */
const moreBytesMax = 2 * 2 ** 20;
const moreRssMax = 64 * 2 ** 20;

test.for(['stream', 'http'] as const)(
  'lookups at killed nodes fail in time or are partial, and restarted nodes are found again, by %s',
  async (transport) => {
    const before = await held();
    const [sums, seen] = await killNodes(transport);
    const { first, last } = firstAndLast(seen);
    console.log(`${transport}: ${seen.length} nodes killed`, sums, { first, last });
    expect(sums.failed).toBeGreaterThan(0);
    expect(sums.partial).toBeGreaterThan(0);
    expect(last.bytes).toBeLessThanOrEqual(first.bytes + moreBytesMax);
    expect(last.rss).toBeLessThanOrEqual(first.rss + moreRssMax);
    // HTTP has up to four connections per node, depending on the number of concurrent requests.
    expect(last.sockets).toBeLessThanOrEqual(first.sockets + (transport === 'http' ? 8 : 0));
    expect(last.timers).toBeLessThanOrEqual(first.timers + 2 * concurrency);
    await expect.poll(async () => (await held()).sockets).toBeLessThanOrEqual(before.sockets);
  },
);

/** Kills one node after the other under load. @returns the outcomes of lookups, and the resources after each kill */
async function killNodes(transport: 'stream' | 'http'): Promise<[typeof noOutcomes, Held[]]> {
  await using given = await ExactCase.open();
  const { nodes, routing: routed } = await given.start();
  await using ranker = await openRanker({ routing: routed, transport });
  const load = new Load(ranker, given.asked, { concurrency, deadlineMs });
  const next = random(transport.length);
  const seen: Held[] = [];
  let sums = noOutcomes;
  const until = performance.now() + runs.killMinutes * 60_000;
  for (let kill = 0; kill < runs.nodeKills || performance.now() < until; kill++) {
    const victim = nodes[kill % nodes.length];
    load.start();
    await sleep(below(next, 100));
    load.mayFail.add(victim.id);
    victim.kill();
    await sleep(50 + below(next, 300));
    await victim.restart();
    await recovered(ranker, given.asked[0]);
    load.mayFail.delete(victim.id);
    sums = addOutcomes(sums, load.take());
    // Lookups that begin from now on must not fail.
    await sleep(200);
    await load.rest();
    const steady = load.take();
    expect(steady.right).toBeGreaterThan(0);
    sums = addOutcomes(sums, steady);
    seen.push(await held());
  }
  return [sums, seen];
}

test('no lookup fails when one of two replicas is killed under load, and it is used again when it is back', async () => {
  await using given = await ExactCase.open();
  const { nodes, routing: routed } = await given.start(replicated);
  await using ranker = await openRanker({ routing: routed, transport: 'stream' });
  const asked: Record<string, number> = {};
  ranker.observe(({ node, code }) => {
    if (code === undefined) asked[node] = (asked[node] ?? 0) + 1;
  });
  const load = new Load(ranker, given.asked, { concurrency, deadlineMs: 10_000 });
  load.start();
  for (const victim of [nodes[0], nodes[1], nodes[0]]) {
    await expect.poll(() => asked[victim.id] ?? 0, { timeout: 10_000 }).toBeGreaterThan(10);
    victim.kill();
    await sleep(300);
    await victim.restart();
    asked[victim.id] = 0;
  }
  await expect.poll(() => asked.n0, { timeout: 10_000 }).toBeGreaterThan(10);
  // No node is allowed to fail, so this throws the first error.
  await load.rest();
  expect(load.take().right).toBeGreaterThan(30);
});

test('no lookup fails when a worker dies under load, and the worker is replaced', async () => {
  await using given = await ExactCase.open();
  await using closing = new AsyncDisposableStack();
  const hosts: MemoryNodeHost[] = [];
  for (const node of nodeIds)
    hosts.push(closing.use(await MemoryNodeHost.start({ tables: given.tables, routing, node, workers: 2 })));
  const routed = { ...routing, nodes: nodeIds.map((id, i) => ({ id, url: hosts[i].url })) };
  const ranker = closing.use(await openRanker({ routing: routed, transport: 'stream' }));
  const load = new Load(ranker, given.asked, { concurrency, deadlineMs: 5_000 });
  load.start();
  for (let kill = 0; kill < runs.workerKills; kill++) {
    const [host, worker] = [hosts[kill % 2], (kill >> 1) % 2];
    await sleep(50);
    await host.killWorker(worker);
    // The new worker gets requests.
    await expect.poll(async () => (await host.stats())[worker].subrequests).toBeGreaterThan(0);
  }
  // No node is allowed to fail, so this throws the first error.
  await load.rest();
  console.log(`${runs.workerKills} workers killed`, load.take());
});
