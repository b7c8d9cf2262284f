// Nodes that begin with a snapshot have the same rows as those that have all batches from the first one.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { takeSnapshot } from '../../src/host/take-snapshot.ts';
import type { Cluster } from '../../src/plan/cluster.ts';
import type { ClusterSource } from '../../src/plan/cluster-store.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { TableSource } from '../../src/store/table-file.ts';
import { spareRowsMin } from '../../src/update-limits.ts';
import { Updater } from '../../src/updates/updater.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';
import { ServedLog } from '../32.updates/channel-log.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import { patience } from '../32.updates/update-case.ts';
import { refused } from '../refusal.ts';
import { caseList, caseTables, dim, hasher, idOf, rowCount, writeCase } from './snapshot-case.ts';

const module = new URL('../32.updates/channel-log.ts', import.meta.url).href;
let folder: string;
let [base, snapshot]: string[] = [];
let routing: RoutingTable;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-snapshot-'));
  [base, snapshot] = ['base', 'snapshot'].map((name) => join(folder, name));
  routing = await writeCase(base, 1);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A log in this process that nodes can reach. */
class TestLog {
  readonly memory = new MemoryLog();
  readonly #name: string = crypto.randomUUID();
  readonly #served: ServedLog = new ServedLog(this.memory, this.#name);

  /** @param verify compares rows with the plan */
  async start(
    tables: TableSource,
    verify = false,
    of: RoutingTable | ClusterSource = routing,
  ): Promise<MemoryNodeHost> {
    const updates = { module, data: this.#name };
    return await MemoryNodeHost.start({ tables, routing: of, node: 'n0', updates, verify });
  }

  [Symbol.dispose](): void {
    this.#served.close();
  }
}

const changing = caseTables.filter(({ name }) => name !== 'sealed');
/** New ids, and so many more that they had rows only if a snapshot left more free ones than its base. */
const early = Array.from({ length: 20 }, (_, i) => 10n ** 14n + BigInt(i));
const crowd = Array.from({ length: spareRowsMin - 9 }, (_, i) => 10n ** 15n + BigInt(i));

/** Writes a row of each table, some new ids, and deletes one. */
async function write(log: MemoryLog, round: number, more: readonly bigint[] = []): Promise<void> {
  const updates = changing.map(({ name, indexed }) => {
    const places = indexed ? [round, rowCount + round] : [round];
    const keys = [
      ...places.map((place) => (indexed ? idOf(place) : BigInt(place))),
      ...(indexed ? more : []),
    ];
    const rows = Float32Array.from({ length: keys.length * dim }, (_, i) => round + (i % dim) / 3);
    const deletes = indexed ? [idOf(round + 20)] : [];
    return [name, { keys: BigUint64Array.from(keys), rows, deletes: BigUint64Array.from(deletes) }] as const;
  });
  await new Updater(log, hasher).write(routing, Object.fromEntries(updates), patience);
}

/** The rows of all keys, each in a bag. */
async function rowsOf({ url }: MemoryNodeHost): Promise<Map<string, number[]>> {
  await using ranker = await openRanker({ routing: { ...routing, nodes: [{ id: 'n0', url }] } });
  const bags = caseTables.map(({ name, indexed }) => {
    const places = Array.from({ length: indexed ? rowCount + 20 : rowCount }, (_, place) => place);
    const keys = indexed ? BigUint64Array.from([...places.map(idOf), ...crowd]) : places;
    return [name, { keys, offsets: Array.from({ length: keys.length }, (_, i) => i) }] as const;
  });
  const found = await ranker.lookup(Object.fromEntries(bags));
  return new Map(caseTables.map(({ name }) => [name, [...(found.get(name)?.values ?? [])]]));
}

test('a node that begins with a snapshot has the same rows, also if the log has forgotten all before it', async () => {
  using whole = new TestLog();
  using rest = new TestLog();
  for (let round = 4; round < 8; round++) await write(whole.memory, round, round === 4 ? early : []);
  await takeSnapshot(whole.memory, routing, base, snapshot);
  await write(whole.memory, 8, crowd);
  await write(whole.memory, 9);
  rest.memory.messages.push(...whole.memory.messages.slice(3 * changing.length));
  rest.memory.sequence = whole.memory.sequence;
  expect(await refused(() => rest.start(base))).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(/flexemr snapshot/),
  });
  await using first = await whole.start(base);
  // It was started with a list of the planned tables.
  await using second = await rest.start({ file: snapshot, list: caseList });
  const wanted = await rowsOf(first);
  expect(await rowsOf(second)).toEqual(wanted);
  expect([...(wanted.get('ids') ?? [])].slice(-crowd.length * dim).every((value) => value === 0)).toBe(true);
  expect(await refused(() => rest.start(snapshot, true))).toMatchObject({
    code: 'INVALID_ROUTING',
    field: 'verify',
  });
  // What comes later changes both.
  await write(whole.memory, 10);
  await write(rest.memory, 10);
  for (const node of [first, second])
    await expect
      .poll(() => numbersOf(node))
      .toEqual(caseTables.map(({ name }) => (name === 'sealed' ? 0 : 7)));
  const later = await rowsOf(first);
  expect(later.get('rows')?.[10 * dim]).toBe(10);
  expect(await rowsOf(second)).toEqual(later);
});

/** The number of each table, as the node says. 0: it takes no updates. */
async function numbersOf({ url }: MemoryNodeHost): Promise<number[]> {
  const { tables } = (await (await fetch(`${url}/v1/tables`)).json()) as NodeDescription;
  return tables.map(({ shards }) => Number(shards[0].updates?.number ?? 0));
}

/** The first values of some rows, once all of the node's shards are answered. */
async function firstsOf(node: MemoryNodeHost, rows: readonly number[]): Promise<readonly unknown[]> {
  const values = (await rowsOf(node).catch(() => undefined))?.get('rows') ?? [];
  return rows.map((row) => values[row * dim]);
}

/** The log loses the last batches, and other ones take their numbers. */
async function fork(log: MemoryLog): Promise<void> {
  log.lose(changing.length);
  for (let round = 11; round < 13; round++) await write(log, round);
}

const [untouched, afterFork] = [8 * 8 - 7, { timeout: 20_000 }];

test('rows that are read again from a snapshot get the batches that follow it', async () => {
  using log = new TestLog();
  for (let round = 4; round < 8; round++) await write(log.memory, round);
  await takeSnapshot(log.memory, routing, base, snapshot);
  await write(log.memory, 8);
  log.memory.forget(3 * changing.length);
  await using node = await log.start(snapshot);
  await fork(log.memory);
  const found = (): Promise<unknown> => firstsOf(node, [4, 7, 8, 11, 12]);
  await expect.poll(found, afterFork).toEqual([4, 7, untouched, 11, 12]);
  expect(await node.metrics()).toMatch(/^flexemr_node_update_reloads_total [1-9]/m);
});

test('a running node reads its rows again from the snapshot that its cluster names now', async () => {
  using log = new TestLog();
  let cluster: Cluster = { serving: { routing } };
  let changed: (cluster: Cluster) => void = () => {};
  const source: ClusterSource = {
    read: async () => ({ cluster, revision: '1' }),
    watch(onChange) {
      changed = onChange;
      return () => {};
    },
  };
  for (let round = 4; round < 8; round++) await write(log.memory, round);
  await using node = await log.start(base, false, source);
  await takeSnapshot(log.memory, routing, base, snapshot);
  await write(log.memory, 8);
  await expect.poll(() => firstsOf(node, [8])).toEqual([8]);
  log.memory.forget(3 * changing.length);
  await fork(log.memory);
  // Its own file does not help: the log has forgotten what follows it.
  await expect.poll(() => firstsOf(node, [4]), afterFork).toEqual([undefined]);
  cluster = { serving: { routing, tables: snapshot } };
  changed(cluster);
  await expect.poll(() => firstsOf(node, [4, 7, 8, 11, 12]), afterFork).toEqual([4, 7, untouched, 11, 12]);
});
