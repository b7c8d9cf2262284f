// Snapshots of tables whose rows change have the rows of a plain replay, bit for bit, and go on from where they are.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { takeSnapshot } from '../../src/host/take-snapshot.ts';
import { planSharding } from '../../src/plan/planner.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { endOf } from '../../src/updates/chain-end.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import { Updater } from '../../src/updates/updater.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import { patience } from '../32.updates/update-case.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { writeTables } from '../tables-file.ts';
import { caseTables, dim, hasher, idOf, replayedRows, rowCount, rowsIn, writeCase } from './snapshot-case.ts';

let folder: string;
let base: string;
let routing: RoutingTable;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexemr-snapshot-'));
  base = at('base.safetensors');
  routing = await writeCase(base);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const changing = caseTables.filter(({ name }) => name !== 'sealed');
const value = fc.oneof(
  { weight: 20, arbitrary: fc.float({ noNaN: true, min: -60_000, max: 60_000 }) },
  // Not finite in some dtypes, but an updater sends it.
  { weight: 1, arbitrary: fc.constantFrom(70_000, 3e38, -0) },
);
const write = fc.record({
  table: fc.nat(changing.length - 1),
  places: fc.uniqueArray(fc.nat(rowCount + 20), { maxLength: 12 }),
  deletes: fc.nat(12),
  value,
  /** So many new ids that there may be no rows for them. */
  flood: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(2_500) }),
});
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;
const history = fc.array(fc.array(write, { maxLength: 8 }), { minLength: 1, maxLength: 3 });

async function send(updater: Updater, { table, places, deletes, value: given, flood }: Write): Promise<void> {
  const { name, indexed } = changing[table];
  const own = places.filter((place) => (indexed ? place !== 3 : place < rowCount));
  const gone = indexed ? own.slice(0, deletes).map(idOf) : [];
  const written = indexed ? own.slice(deletes).map(idOf) : own.map(BigInt);
  if (indexed) for (let i = 0; i < flood; i++) written.push(BigInt(i) + 10n ** 15n);
  const rows = Float32Array.from({ length: written.length * dim }, (_, i) => given * (1 - (i % 7) / 8));
  const update = { keys: BigUint64Array.from(written), rows, deletes: BigUint64Array.from(gone) };
  await updater.write(routing, { [name]: update }, patience);
}

async function sendAll(log: MemoryLog, writers: readonly (readonly Write[])[]): Promise<void> {
  await Promise.all(
    writers.map(async (writes) => {
      const updater = new Updater(log, hasher);
      for (const each of writes) await send(updater, each);
    }),
  );
}

/** A batch that no node writes. */
async function sendWrong(log: MemoryLog): Promise<void> {
  const chain = chainName(numberedShards(routing)[0]);
  const end = (await endOf(log, chain, log.made)) ?? { sequence: 0, position: genesis(log.made) };
  const rows = new Float32Array(2 * dim);
  const wrong = { keys: BigUint64Array.of(1n, 10n ** 6n), rows, deletes: new BigUint64Array() };
  await log.append(chain, writeBatch(wrong, end, 1).bytes, end.sequence);
}

test('a snapshot has the rows of all batches, also a snapshot of a snapshot whose batches are forgotten', async () => {
  const seen = { batches: 0, races: 0, later: 0, flooded: 0 };
  await fc.assert(
    fc.asyncProperty(history, history, fc.boolean(), async (first, second, isLax) => {
      const log = new MemoryLog();
      log.isLax = isLax;
      await sendAll(log, first);
      await sendWrong(log);
      const { batches, shards } = await takeSnapshot(log, routing, base, at('first.safetensors'));
      expect(await rowsIn(at('first.safetensors'))).toEqual(replayedRows(log, routing));
      const known = log.messages.length;
      seen.races += known - Number(batches);
      seen.batches += Number(batches);
      await sendAll(log, second);
      const wanted = replayedRows(log, routing);
      await takeSnapshot(log, routing, base, at('whole.safetensors'));
      expect(await rowsIn(at('whole.safetensors'))).toEqual(wanted);
      if (wanted.size > 2_000) seen.flooded++;
      // What the first snapshot has is forgotten, but for its last batch of each chain, which says where the chain is.
      const kept = log.messages.length;
      for (const { chain, at: end } of shards) log.forgetBefore(chain, end.sequence);
      if (log.messages.length < kept) seen.later++;
      await takeSnapshot(log, routing, at('first.safetensors'), at('second.safetensors'));
      expect(await rowsIn(at('second.safetensors'))).toEqual(wanted);
    }),
    { numRuns: runs.snapshots },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

test('a snapshot can be planned as a new version, with chains of its own', async () => {
  const log = new MemoryLog();
  const updater = new Updater(log, hasher);
  const rows = new Float32Array(dim).fill(9);
  await updater.write(routing, { rows: { keys: [1], rows }, ids: { keys: [10 ** 12], rows } }, patience);
  await takeSnapshot(log, routing, base, at('old.safetensors'));
  const wanted = replayedRows(log, routing);
  const tables = (await plannedTables(at('old.safetensors'), undefined)).map((table, i) => {
    expect(table.content).not.toBe(routing.tables[i].content);
    return { ...table, version: 2, updates: routing.tables[i].updates };
  });
  const next = planSharding({ tables, nodes: routing.nodes, split: 'row' }).routing;
  expect(await takeSnapshot(log, next, at('old.safetensors'), at('new.safetensors'))).toMatchObject({
    batches: 0n,
  });
  expect(await rowsIn(at('new.safetensors'))).toEqual(wanted);
  // The file of the new version is not that of the old one.
  const old = (): Promise<unknown> => takeSnapshot(log, routing, at('new.safetensors'), at('no.safetensors'));
  expect(await refused(old)).toMatchObject({ code: 'INVALID_ROUTING' });
});

test('a table whose ids are all gone has no snapshot', async () => {
  const tables = at('few.safetensors');
  const ids = BigUint64Array.of(5n, 6n);
  const spec = { name: 'ids', rows: 2, dim, mode: 'sum' } as const;
  await writeTables(tables, [{ spec, rows: new Float32Array(2 * dim), ids }]);
  const [table] = await plannedTables(tables, undefined);
  const input = { tables: [{ ...table, updates: true as const }], nodes: [{ id: 'n0' }] };
  const plan = planSharding({ ...input, split: 'table' }).routing;
  const log = new MemoryLog();
  const updater = new Updater(log, hasher);
  const take = (): Promise<{ rows: number }> => takeSnapshot(log, plan, tables, at('none.safetensors'));
  await updater.write(plan, { ids: { deletes: ids.subarray(1) } }, patience);
  expect(await take()).toMatchObject({ rows: 1 });
  await updater.write(plan, { ids: { deletes: ids } }, patience);
  expect(await refused(take)).toMatchObject({ code: 'INVALID_TABLE', field: 'ids' });
});

test('what is not the beginning of the log is refused', async () => {
  const log = new MemoryLog();
  const update = { rows: { keys: [1], rows: new Float32Array(dim) } };
  const updater = new Updater(log, hasher);
  for (let i = 0; i < 4; i++) await updater.write(routing, update, patience);
  await takeSnapshot(log, routing, base, at('four.safetensors'));
  await updater.write(routing, update, patience);
  const take =
    (tables: string, plan = routing) =>
    () =>
      takeSnapshot(log, plan, tables, at('no.safetensors'));
  log.forget(2);
  expect(await refused(take(base))).toMatchObject({ code: 'CONFLICT', field: 'updates' });
  await take(at('four.safetensors'))();
  const cut = {
    ...routing,
    tables: routing.tables.map((table) => {
      const [{ node }] = table.shards;
      return { ...table, shards: [{ node, begin: 0, end: table.indexed ? 2 ** 32 : rowCount }] };
    }),
  };
  expect(await refused(take(at('four.safetensors'), cut))).toMatchObject({
    code: 'INVALID_ROUTING',
    message: expect.stringMatching(/cut at other places/),
  });
  const other = {
    ...routing,
    tables: routing.tables.map((table) => ({ ...table, content: table.content?.replace(/./, 'x') })),
  };
  expect(await refused(take(at('four.safetensors'), other))).toMatchObject({
    code: 'INVALID_ROUTING',
    message: expect.stringMatching(/other rows than planned/),
  });
  log.lose(3);
  expect(await refused(take(at('four.safetensors')))).toMatchObject({ code: 'CONFLICT' });
});
