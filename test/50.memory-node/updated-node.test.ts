// A memory node whose rows change: its thread that writes them, and its workers, die meanwhile, and its log goes away.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { startUpdateThread } from '../../src/host/start-update-thread.ts';
import { UpdateThread } from '../../src/host/update-thread.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { Reload } from '../../src/memory-node/node-updates.ts';
import { UpdateRecord } from '../../src/memory-node/update-record.ts';
import { WorkerGate } from '../../src/memory-node/worker-gate.ts';
import { makeGate, wanted } from '../../src/memory-node/write-gate.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { endOf } from '../../src/updates/chain-end.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';
import { Reply } from '../../src/wire/reply.ts';
import { ServedLog } from '../32.updates/channel-log.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import type { Cluster } from '../cluster.ts';
import { refused } from '../refusal.ts';
import { batchOf, changingTables, keysOf, startChanging, wrongIn } from './changing-tables.ts';
import { lookupFrame, replyOf } from './lookups.ts';
import { updatedReleases } from './updated-releases.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startChanging();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const module = new URL('../32.updates/channel-log.ts', import.meta.url).href;
const [table] = changingTables;

/** A log that the threads of this process can reach. */
class TestLog {
  readonly memory = new MemoryLog();
  readonly name: string = crypto.randomUUID();
  #served: ServedLog | undefined = new ServedLog(this.memory, this.name);

  get choice(): { module: string; data: string } {
    return { module, data: this.name };
  }

  /** Writes the next batch of the i-th table. @returns its number */
  async write(i: number): Promise<number> {
    const chain = chainName(numberedShards(cluster.routing)[i]);
    const end = (await endOf(this.memory, chain, this.memory.made)) ?? {
      sequence: 0,
      position: genesis(this.memory.made),
    };
    const number = Number(end.position.number) + 1;
    const { bytes } = writeBatch(batchOf(changingTables[i], number), end, Date.now());
    await this.memory.append(chain, bytes, end.sequence);
    return number;
  }

  leave(): void {
    this.#served?.close();
    this.#served = undefined;
  }

  back(): void {
    this.#served ??= new ServedLog(this.memory, this.name);
  }
}

async function start(log: TestLog, workers = 2): Promise<MemoryNodeHost> {
  const { file, routing } = cluster;
  return await MemoryNodeHost.start({ tables: file, routing, node: 'n0', workers, updates: log.choice });
}

/** The number of the rows of each table, as the node says. */
async function numbersOf({ url }: MemoryNodeHost): Promise<number[]> {
  const { tables } = (await (await fetch(`${url}/v1/tables`)).json()) as NodeDescription;
  return tables.map(({ shards }) => Number(shards[0].updates?.number));
}

function routingTo({ url }: MemoryNodeHost): RoutingTable {
  const { routing } = cluster;
  return { ...routing, nodes: [{ ...routing.nodes[0], url }] };
}

test('a node has all batches when it is ready, and gets more while it serves, also after its log was away', async () => {
  const log = new TestLog();
  for (let i = 0; i < changingTables.length; i++) for (let n = 0; n <= i; n++) await log.write(i);
  await using node = await start(log);
  const wantedNumbers = changingTables.map((_, i) => i + 1);
  expect(await numbersOf(node)).toEqual(wantedNumbers);
  await using ranker = await openRanker({ routing: routingTo(node) });
  const first = async (): Promise<number> => {
    const found = await ranker.lookup({ [table.name]: { keys: [5], offsets: [0, 1] } });
    return found.get(table.name)?.values[0] ?? Number.NaN;
  };
  expect(await first()).toBe(1024 + 5);
  await log.write(0);
  await expect.poll(first).toBe(2 * 1024 + 5);
  log.leave();
  await log.write(0);
  await expect.poll(() => node.metrics()).toMatch(/^flexemr_node_update_log_away 1$/m);
  expect(await first()).toBe(2 * 1024 + 5);
  log.back();
  await expect.poll(first).toBe(3 * 1024 + 5);
  await expect.poll(() => node.metrics()).toMatch(/^flexemr_node_update_log_away 0$/m);
  const metrics = await node.metrics();
  expect(metrics).toMatch(/^flexemr_node_update_batches_total\{outcome="applied"\} 38$/m);
  expect(metrics).toMatch(/^flexemr_node_update_reloads_total 0$/m);
});

test('a table that takes updates needs a log', async () => {
  const { file, routing } = cluster;
  const starting = (): Promise<unknown> => MemoryNodeHost.start({ tables: file, routing, node: 'n0' });
  expect(await refused(starting)).toMatchObject({ code: 'INVALID_OPTION', field: 'updates' });
});

test('workers that die while rows are written do not keep them from being written', async () => {
  const log = new TestLog();
  await using node = await start(log);
  await using ranker = await openRanker({ routing: routingTo(node) });
  let reading = true;
  const keys = keysOf(table).map(Number);
  const bags = { [table.name]: { keys, offsets: [...keys, keys.length] } };
  const read = (async () => {
    while (reading) await ranker.lookup(bags).catch(() => {});
  })();
  let number = 0;
  for (let kill = 0; kill < 4; kill++) {
    for (let i = 0; i < 20; i++) number = await log.write(0);
    await node.killWorker(kill % 2);
    number = await log.write(0);
    await expect.poll(async () => (await numbersOf(node).catch(() => []))[0]).toBe(number);
  }
  reading = false;
  await read;
});

/** One worker in this thread, and a thread that writes. */
async function besideThread(log: TestLog): Promise<{
  readonly node: MemoryNode;
  readonly thread: UpdateThread;
  readonly gate: ReturnType<typeof makeGate>;
  readonly records: UpdateRecord[];
}> {
  const releases = updatedReleases();
  const plan = await releases.load({ routing: cluster.routing, tables: cluster.file });
  const gate = makeGate(1);
  const reload: Reload = (chain) => releases.reload(chain);
  const thread = new UpdateThread({
    gate,
    start: () => startUpdateThread({ choice: log.choice, gate, reload }),
  });
  const node = new MemoryNode('n0', [], { gate: new WorkerGate(gate, 0) });
  const [hosting] = releases.hostings(plan);
  node.host(hosting);
  const records = hosting.shards.map(({ arena, updates }) => {
    const { buffer } = hosting.memories[arena];
    return new UpdateRecord({ words: new Uint32Array(buffer), longs: new BigUint64Array(buffer) }, updates);
  });
  await thread.host(releases.updatesOf([plan]));
  await thread.caughtUp();
  return { node, thread, gate, records };
}

test('the thread that writes rows dies again and again: no answer is wrong, and nothing is lost', async () => {
  const log = new TestLog();
  const { node, thread, records } = await besideThread(log);
  try {
    const wrongs: string[] = [];
    const check = async (i: number): Promise<bigint | undefined> => {
      const keys = keysOf(changingTables[i]);
      const lengths = new Array(keys.length).fill(1);
      const frame = lookupFrame(cluster.routing, changingTables[i].name, keys, { lengths });
      const reply = new Reply((await replyOf(node, frame)).slice());
      // A shard that was being written when the thread died is read again.
      if (reply.error?.code === 'UNAVAILABLE') return undefined;
      const wrong = wrongIn(changingTables[i], reply, false);
      if (wrong !== undefined) wrongs.push(wrong);
      return records[i].updatedTo.number;
    };
    let last = changingTables.map(() => 0);
    for (let kill = 0; kill < 5; kill++) {
      for (let n = 0; n < 10; n++) {
        last = await Promise.all(changingTables.map((_, i) => log.write(i)));
        for (let i = 0; i < changingTables.length; i++) await check(i);
      }
      await thread.kill();
    }
    for (const [i, number] of last.entries()) await expect.poll(() => check(i)).toBe(BigInt(number));
    expect(wrongs).toEqual([]);
  } finally {
    await thread.close();
  }
});

test('a thread that died in the middle of a batch keeps nobody waiting, and its shard is read again', async () => {
  const log = new TestLog();
  const { node, thread, gate, records } = await besideThread(log);
  try {
    await log.write(0);
    await expect.poll(() => records[0].updatedTo.number).toBe(1n);
    // What it leaves behind: the gate is closed, and the record says that rows are half written.
    Atomics.store(gate, wanted, 1);
    records[0].reload();
    await thread.kill();
    expect(Atomics.load(gate, wanted)).toBe(0);
    await expect.poll(() => records[0].isReloading).toBe(false);
    expect(records[0].updatedTo.number).toBe(1n);
    await expect.poll(async () => (await thread.stats()).reloads).toBe(1);
    const keys = keysOf(table);
    const frame = lookupFrame(cluster.routing, table.name, keys, { lengths: new Array(keys.length).fill(1) });
    expect(wrongIn(table, new Reply((await replyOf(node, frame)).slice()), true)).toBeUndefined();
  } finally {
    await thread.close();
  }
});
