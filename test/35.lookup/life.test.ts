// Tables and threads are added and removed. Memory is freed, and lookups are not mixed up.
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { FlexemrError, type KeyedBags, type RowDtype, type TableSpec, Tables } from '../../src/index.ts';
import { threadedKeysMin } from '../../src/limits.ts';
import { runs } from '../runs.ts';

const refused = async (work: Promise<unknown>): Promise<FlexemrError> => {
  const error = await work.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FlexemrError);
  return error as FlexemrError;
};

const rows = 4096;
const table = (name: string, dim = 16, dtype: RowDtype = 'f32'): TableSpec => ({
  name,
  rows,
  dim,
  mode: 'sum',
  dtype,
});
const filled = (value: number, dim = 16): { rows: Float32Array } => ({
  rows: new Float32Array(rows * dim).fill(value),
});

/** Bags of four keys, which contain every row of the table. */
const everyRow = (name: string): KeyedBags => ({
  f: {
    table: name,
    keys: Uint32Array.from({ length: 2 * threadedKeysMin }, (_, i) => i % rows),
    lengths: new Uint32Array(threadedKeysMin / 2).fill(4),
  },
});

async function expectFilled(
  lookup: Promise<Awaited<ReturnType<Tables['lookup']>>>,
  value: number,
): Promise<void> {
  const values = (await lookup).get('f')?.values ?? new Float32Array();
  expect(values.length).toBeGreaterThan(0);
  expect(values.every((sum) => sum === 4 * value)).toBe(true);
}

test('removing a table frees its memory: new tables reuse the same arenas', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 22 });
  const ids = BigUint64Array.from({ length: rows }, (_, row) => BigInt(row));
  const addAll = async (turn: number): Promise<void> => {
    await tables.add(table('plain'), filled(turn));
    await tables.add(
      { ...table('indexed', 12), missing: 'default', defaultRow: new Array(12).fill(turn) },
      { ...filled(-turn, 12), ids },
    );
    await tables.add(table('quantised', 40, 'int8'), filled(turn / 2, 40));
  };
  const removeAll = (): Promise<unknown> =>
    Promise.all(['indexed', 'plain', 'quantised'].map((name) => tables.remove(name)));
  await addAll(0);
  const before = tables.arenas;
  await removeAll();
  for (let turn = 1; turn <= runs.removals; turn++) {
    await addAll(turn);
    await expectFilled(tables.lookup(everyRow('plain')), turn);
    await expectFilled(tables.lookup(everyRow('indexed')), -turn);
    await expectFilled(tables.lookup(everyRow('quantised')), turn / 2);
    await removeAll();
  }
  expect(tables.arenas).toEqual(before);
});

test('refused tables free their memory', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 20 });
  const notFinite = filled(1);
  notFinite.rows[rows * 16 - 1] = Number.NaN;
  const infinite = new Array(16).fill(Number.POSITIVE_INFINITY);
  const faults: [TableSpec, { rows: Float32Array }][] = [
    [{ ...table('t'), padding: rows }, filled(1)],
    [{ ...table('t'), padding: -rows - 1 }, filled(1)],
    [table('t', 16, 'int8'), notFinite],
    [table('t', 16, 'int4'), notFinite],
    [{ ...table('t', 16, 'int8'), missing: 'default', defaultRow: infinite }, filled(1)],
  ];
  await tables.add({ ...table('t'), defaultRow: infinite }, filled(0));
  const { count } = tables.arenas;
  await tables.remove('t');
  for (let turn = 0; turn < 20; turn++) {
    for (const [spec, given] of faults) {
      expect((await refused(tables.add(spec, given))).code).toBe('INVALID_TABLE');
      expect(tables.specs).toEqual([]);
    }
  }
  await tables.add(table('t'), filled(3));
  await expectFilled(tables.lookup(everyRow('t')), 3);
  expect(tables.arenas.count).toBe(count);
});

test('a table can be removed during lookups: they finish on its rows, and its memory is freed after them', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 23, threads: 2 });
  await tables.add(table('t'), filled(1));
  for (let turn = 1; turn <= 20; turn++) {
    const under = [tables.lookup(everyRow('t')), tables.lookup(everyRow('t'))];
    const removed = tables.remove('t');
    expect((await refused(tables.lookup(everyRow('t')))).code).toBe('UNKNOWN_TABLE');
    expect((await refused(tables.remove('t'))).code).toBe('UNKNOWN_TABLE');
    // The memory of the removed table is not free yet, so the new table takes other memory.
    await tables.add(table('t'), filled(turn + 1));
    for (const lookup of under) await expectFilled(lookup, turn);
    await removed;
    await expectFilled(tables.lookup(everyRow('t')), turn + 1);
  }
  // There are never more than two tables at a time.
  expect(tables.arenas.count).toBeLessThanOrEqual(2);
});

test('if two tables of one name are added at the same time, one is added, and the other leaves nothing', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 20 });
  const ids = BigUint64Array.from({ length: rows }, (_, row) => BigInt(row));
  const counts = new Set<number>();
  for (let turn = 0; turn < 10; turn++) {
    const settled = await Promise.allSettled(
      [1, 2].map((value) => tables.add(table('t'), { ...filled(value), ids })),
    );
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expectFilled(tables.lookup(everyRow('t')), settled[0].status === 'fulfilled' ? 1 : 2);
    await tables.remove('t');
    counts.add(tables.arenas.count);
  }
  expect(counts.size).toBe(1);
});

/** Calls `met` with each worker that is started during `work`. */
async function withWorkers<T>(met: (worker: Worker) => void, work: () => Promise<T>): Promise<T> {
  process.on('worker', met);
  try {
    return await work();
  } finally {
    process.off('worker', met);
  }
}

test('if a worker dies, its lookup fails, and another worker replaces it', async () => {
  await using tables = new Tables({ slotBytes: 2 ** 22, threads: 2 });
  await tables.add(table('t'), filled(1));
  let killed = 0;
  for (let turn = 0; turn < 5; turn++) {
    const kill = (worker: Worker): void => {
      killed++;
      void worker.terminate();
    };
    const error = await refused(withWorkers(kill, () => tables.lookup(everyRow('t'))));
    expect(error.code).toBe('WORKER_FAILED');
    expect(killed).toBe(turn + 1);
    const alive: Worker[] = [];
    await withWorkers(
      (worker) => alive.push(worker),
      () => expectFilled(tables.lookup(everyRow('t')), 1),
    );
    expect(alive.length).toBe(1);
    // A worker that dies between lookups does not fail any lookup.
    await alive[0].terminate();
  }
  await expectFilled(tables.lookup(everyRow('t')), 1);
});

test('lookups work after close, which can be called again', async () => {
  const tables = new Tables({ slotBytes: 2 ** 22, threads: 2 });
  await tables.add(table('t'), filled(1));
  const under = tables.lookup(everyRow('t'));
  await tables.close();
  await expectFilled(under, 1);
  await expectFilled(tables.lookup(everyRow('t')), 1);
  await tables.close();
  await tables.close();
});

test('a lookup that begins while workers are closed succeeds', async () => {
  const tables = new Tables({ slotBytes: 2 ** 22, threads: 2 });
  await tables.add(table('t'), filled(1));
  const closed = tables.close();
  await expectFilled(tables.lookup(everyRow('t')), 1);
  await closed;
  await tables.close();
});

test('idle workers do not keep the process alive', async () => {
  const tables = new Tables({ slotBytes: 2 ** 22, threads: 3 });
  await tables.add(table('t'), filled(1));
  const workers: Worker[] = [];
  await withWorkers(
    (worker) => workers.push(worker),
    () => expectFilled(tables.lookup(everyRow('t')), 1),
  );
  expect(workers.length).toBe(2);
  const referenced = process.getActiveResourcesInfo().filter((resource) => resource.includes('Worker'));
  expect(referenced).toEqual([]);
  await tables.close();
});
