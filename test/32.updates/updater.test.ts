import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planSharding } from '../../src/plan/planner.ts';
import { batchRowsMax } from '../../src/update-limits.ts';
import type { RowUpdates } from '../../src/updates/row-updates.ts';
import { Updater } from '../../src/updates/updater.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { MemoryLog } from './memory-log.ts';
import { dim, hasher, patience, replayed, routing, row, spec, writeAll, writers } from './update-case.ts';

test('all that was acknowledged is in the chains once, in the order of each writer, whoever else writes', async () => {
  await fc.assert(
    fc.asyncProperty(writers, fc.boolean(), async (all, isLax) => {
      const log = new MemoryLog();
      log.isLax = isLax;
      const wanted = await writeAll(
        all.map(() => new Updater(log, hasher)),
        all,
      );
      expect(await replayed(log)).toEqual(wanted);
    }),
    { numRuns: runs.updateBatches / 4 },
  );
});

test('large updates are cut into batches, and the mark is that of the last', async () => {
  const log = new MemoryLog();
  const count = 3 * batchRowsMax + 5;
  const large = planSharding({
    tables: [{ spec: { ...spec, name: 'rows', rows: count }, version: 1, updates: true }],
    nodes: [{ id: 'a' }],
    split: 'table',
  }).routing;
  const keys = Array.from({ length: count }, (_, i) => i);
  const mark = await new Updater(log, hasher).write(
    large,
    { rows: { keys, rows: new Float32Array(count * dim).fill(4) } },
    patience,
  );
  expect(mark).toEqual({ rows: { 0: { incarnation: 1, number: 4n } } });
  expect((await replayed(log, large)).size).toBe(count);
});

test('a log that loses what it had acknowledged is found by the next write, once', async () => {
  const log = new MemoryLog();
  const updater = new Updater(log, hasher);
  const update: RowUpdates = { rows: { keys: [1], rows: row(1) } };
  for (let i = 0; i < 5; i++) await updater.write(routing, update, patience);
  for (const harm of [() => log.lose(2), () => log.clear()]) {
    harm();
    await expect(updater.write(routing, update, patience)).rejects.toMatchObject({
      code: 'UPDATES_LOST',
      message: expect.stringMatching(/Send the updates since then again/),
    });
    await updater.write(routing, update, patience);
  }
});

test('a batch that comes to a log after that was made anew is written again', async () => {
  const log = new MemoryLog();
  const append = log.append.bind(log);
  log.append = async (...batch) => {
    log.append = append;
    log.clear();
    await append(...batch);
  };
  const mark = await new Updater(log, hasher).write(routing, { rows: { keys: [1], rows: row(1) } }, patience);
  expect(mark).toEqual({ rows: { 0: { incarnation: 2, number: 1n } } });
  expect(log.messages.map(({ logged }) => logged.batch.position.incarnation)).toEqual([1, 2]);
});

test('nothing of a wrong update is written', async () => {
  const log = new MemoryLog();
  const updater = new Updater(log, hasher);
  const good = { keys: [1, 2], rows: [...row(1), ...row(2)] };
  const wrong: readonly [RowUpdates, object][] = [
    [
      { rows: good, nothing: good },
      { code: 'UNKNOWN_TABLE', field: 'nothing' },
    ],
    [{ rows: { ...good, keys: [1, 50] } }, { code: 'INVALID_KEY', position: 1, value: 50n }],
    [{ rows: { ...good, keys: [7, 7] } }, { code: 'INVALID_KEY', position: 1, value: 7n }],
    [{ rows: { ...good, keys: [1, -1] } }, { code: 'INVALID_KEY', position: 1 }],
    [{ rows: { ...good, keys: 'ab' as never } }, { code: 'INVALID_KEY', field: 'rows.keys', value: 'ab' }],
    [{ rows: { ...good, rows: row(1) } }, { code: 'INVALID_TABLE', field: 'rows.rows', value: 3 }],
    [{ rows: { ...good, rows: 7 as never } }, { code: 'INVALID_TABLE', field: 'rows.rows' }],
    [
      { rows: { ...good, rows: [1, 2, 3, 4, Number.NaN, 6] } },
      { code: 'INVALID_TABLE', field: 'rows.rows', position: 4 },
    ],
    [{ rows: { deletes: [3] } }, { code: 'INVALID_TABLE', field: 'rows.deletes' }],
    [{ ids: { ...good, deletes: [2] } }, { code: 'INVALID_KEY', field: 'ids.deletes', position: 0 }],
    [{ ids: { ...good, keys: [4, 0] } }, { code: 'INVALID_KEY', field: 'ids.keys', position: 1, value: 0n }],
  ];
  for (const [updates, error] of wrong)
    expect(await refused(() => updater.write(routing, updates, patience))).toMatchObject(error);
  expect(log.messages).toEqual([]);
});

test('who has no time left writes nothing more', async () => {
  const log = new MemoryLog();
  let left = 3;
  const short = {
    check: () => {
      if (left-- === 0) throw new RangeError('no time');
    },
    pause: async () => {},
  };
  const keys = Array.from({ length: 40 }, (_, i) => i);
  const write = (): Promise<unknown> =>
    new Updater(log, hasher).write(routing, { rows: { keys, rows: keys.flatMap(row) } }, short);
  await write();
  await expect(write()).rejects.toThrow('no time');
});
