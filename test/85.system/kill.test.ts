// Memory nodes and workers that die under load.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { writeRouting } from '../../src/host/file-routing.ts';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { openTables } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { runs } from '../runs.ts';
import { writeTables } from '../tables-file.ts';
import { type Asked, drawBags, exactTables, nodeIds, routing } from './exact-tables.ts';
import { KillableNode } from './killable-node.ts';
import { type Held, held } from './leftovers.ts';
import { deadlineMs, Load } from './load.ts';
import { below, random } from './random.ts';

const concurrency = 6;
/** A node that was started again is found again within this time. */
const recoveryMsMax = 2_000;

/** The tables in a file, and lookups in them with what they must give. */
class Case implements AsyncDisposable {
  readonly folder: string;
  readonly tables: string;
  readonly plan: string;
  readonly asked: Asked[] = [];

  static async open(): Promise<Case> {
    const opened = new Case(await mkdtemp(join(tmpdir(), 'flexemr-kill-')));
    await writeTables(opened.tables, exactTables());
    await writeRouting(opened.plan, routing);
    await using local = await openTables(opened.tables);
    for (let seed = 0; seed < 16; seed++) {
      const bags = drawBags(seed);
      opened.asked.push({ bags, expected: await local.lookup(bags) });
    }
    return opened;
  }

  private constructor(folder: string) {
    this.folder = folder;
    this.tables = join(folder, 'tables.safetensors');
    this.plan = join(folder, 'plan.json');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits until a lookup succeeds. */
async function recovered(ranker: Ranker, { bags }: Asked): Promise<void> {
  const until = performance.now() + recoveryMsMax;
  for (;;) {
    try {
      await ranker.lookup(bags, { deadline: deadlineMs });
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(5);
    }
  }
}

describe.for(['stream', 'http'] as const)('a memory node that is killed under load, by %s', (transport) => {
  test('fails lookups in time, or leaves parts of them out, and is found again', async () => {
    await using given = await Case.open();
    const before = await held();
    await using closing = new AsyncDisposableStack();
    const nodes: KillableNode[] = [];
    for (const id of nodeIds) nodes.push(closing.use(await KillableNode.start(id, given.tables, given.plan)));
    const routed = { ...routing, nodes: nodes.map(({ id, url }) => ({ id, url })) };
    const ranker = closing.use(await openRanker({ routing: routed, transport }));
    const load = new Load(ranker, given.asked, concurrency);
    const next = random(transport.length);
    const seen: Held[] = [];
    const sums = { right: 0, failed: 0, partial: 0 };
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
      const troubled = load.take();
      // Nothing that begins from now on may fail.
      await sleep(200);
      await load.rest();
      const steady = load.take();
      expect(steady.right).toBeGreaterThan(0);
      for (const outcomes of [troubled, steady])
        for (const of of ['right', 'failed', 'partial'] as const) sums[of] += outcomes[of];
      seen.push(await held());
    }
    console.log(`${transport}: ${seen.length} kills`, sums, flatness(seen));
    expect(sums.failed).toBeGreaterThan(0);
    expect(sums.partial).toBeGreaterThan(0);
    checkFlat(seen);
    await closing.disposeAsync();
    const after = await held();
    expect(after.sockets).toBeLessThanOrEqual(before.sockets);
    expect(after.timers).toBeLessThanOrEqual(before.timers + 1);
  });
});

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

/** What was held at first and at last: medians of the first and last quarter, once everything has been used. */
function flatness(all: readonly Held[]): Record<'first' | 'last', Held> {
  const seen = all.slice(1);
  const quarter = Math.ceil(seen.length / 4);
  const of = (part: readonly Held[]): Held => {
    const pick = (field: keyof Held): number => median(part.map((one) => one[field]));
    return { rss: pick('rss'), bytes: pick('bytes'), sockets: pick('sockets'), timers: pick('timers') };
  };
  return { first: of(seen.slice(0, quarter)), last: of(seen.slice(-quarter)) };
}

/** Two rounds may differ by replies that are under way, and by what the engine compiles. */
const bytesDifferMax = 4 * 2 ** 20;
const rssDifferMax = 64 * 2 ** 20;

function checkFlat(seen: readonly Held[]): void {
  const { first, last } = flatness(seen);
  expect(last.bytes).toBeLessThanOrEqual(first.bytes + bytesDifferMax);
  expect(last.rss).toBeLessThanOrEqual(first.rss + rssDifferMax);
  expect(last.sockets).toBeLessThanOrEqual(first.sockets + 2);
  expect(last.timers).toBeLessThanOrEqual(first.timers + 2 * concurrency);
}

test('a worker that dies under load costs no lookup, and its place is taken', async () => {
  await using given = await Case.open();
  await using closing = new AsyncDisposableStack();
  const hosts: MemoryNodeHost[] = [];
  for (const node of nodeIds)
    hosts.push(closing.use(await MemoryNodeHost.start({ tables: given.tables, routing, node, workers: 2 })));
  const routed = { ...routing, nodes: nodeIds.map((id, i) => ({ id, url: hosts[i].url })) };
  const ranker = closing.use(await openRanker({ routing: routed, transport: 'stream' }));
  const load = new Load(ranker, given.asked, concurrency);
  load.start();
  for (let kill = 0; kill < runs.workerKills; kill++) {
    const [host, worker] = [hosts[kill % 2], (kill >> 1) % 2];
    await sleep(50);
    await host.killWorker(worker);
    await serves(host, worker);
  }
  // No node may fail: what was not right is thrown here.
  await load.rest();
  console.log(`${runs.workerKills} workers killed`, load.take());
});

/** Waits until a worker answers subrequests. */
async function serves(host: MemoryNodeHost, worker: number): Promise<void> {
  const until = performance.now() + 10_000;
  while (((await host.stats())[worker]?.subrequests ?? 0) === 0) {
    if (performance.now() > until) throw new Error(`worker ${worker} is asked nothing since it came back`);
    await sleep(20);
  }
}
