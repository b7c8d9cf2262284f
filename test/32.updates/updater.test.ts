import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { idHashes } from '../../src/store/id-hashes.ts';
import { batchRowsMax } from '../../src/update-limits.ts';
import { Chain, genesis } from '../../src/updates/chain.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { RowUpdates } from '../../src/updates/row-updates.ts';
import { Updater } from '../../src/updates/updater.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { MemoryLog } from './memory-log.ts';

const memory = new WebAssembly.Memory({ initial: 2 });
const hasher = { memory, kernels: instantiateKernels(memory) };
const dim = 3;
const spec = { rows: 50, dim, mode: 'sum' as const };
const { routing } = planSharding({
  tables: [
    { spec: { name: 'rows', ...spec }, version: 1 },
    { spec: { name: 'ids', ...spec, padding: 0 }, version: 1, indexed: true },
  ],
  nodes: [{ id: 'a' }, { id: 'b' }, { id: 'c' }],
  split: 'row',
});
/** It never gives up. */
const patience = { check: () => {}, pause: async () => {} };

/** What a follower of every chain has: the last row of each key. */
async function replayed(log: MemoryLog, planned: RoutingTable = routing): Promise<Map<string, number[]>> {
  const rows = new Map<string, number[]>();
  for (const { table, shard } of numberedShards(planned)) {
    const { spec, indexed } = table;
    const chain = new Chain(genesis(log.made));
    for (const { chain: name, logged } of log.messages) {
      if (name !== chainName({ table, shard })) continue;
      const { batch } = logged;
      const found = chain.judge(batch);
      if (found === 'known') continue;
      expect(found).toBe('next');
      chain.advance(batch.position);
      const keys = [...batch.keys, ...batch.deletes];
      // A shard gets its own rows only.
      const places = indexed
        ? [...idHashes(hasher, BigUint64Array.from(keys))].flatMap(({ hashes }) => [...hashes])
        : keys.map(Number);
      for (const place of places) expect(place >= shard.begin && place < shard.end).toBe(true);
      for (const [i, key] of batch.keys.entries())
        rows.set(`${spec.name} ${key}`, [...batch.rows.subarray(i * dim, (i + 1) * dim)]);
      for (const key of batch.deletes) rows.delete(`${spec.name} ${key}`);
    }
  }
  return rows;
}

const row = (value: number): number[] => [value, value + 0.25, -value];
const keysOf = (most: number): fc.Arbitrary<number[]> =>
  fc.uniqueArray(fc.integer({ min: 1, max: most }), { maxLength: 20 });
const write = fc.record({ rows: keysOf(49), ids: keysOf(60), deletes: keysOf(60) });

test('all that was acknowledged is in the chains once, in the order of each writer, whoever else writes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(write, { maxLength: 5 }), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (writers, isLax) => {
        const log = new MemoryLog();
        log.isLax = isLax;
        let stamp = 0;
        // Each writer has its own keys, so that the order between writers does not matter.
        const wanted = new Map<string, number[]>();
        await Promise.all(
          writers.map(async (writes, writer) => {
            const updater = new Updater(log, hasher);
            const own = (keys: number[]): number[] => keys.filter((key) => key % writers.length === writer);
            for (const { rows, ids, deletes } of writes) {
              const [keys, written] = [own(rows), own(ids)];
              const gone = own(deletes).filter((key) => !written.includes(key));
              const value = ++stamp;
              for (const key of keys) wanted.set(`rows ${key}`, row(value));
              for (const key of written) wanted.set(`ids ${key}`, row(value));
              for (const key of gone) wanted.delete(`ids ${key}`);
              await updater.write(
                routing,
                {
                  rows: { keys, rows: keys.flatMap(() => row(value)) },
                  ids: { keys: written, rows: written.flatMap(() => row(value)), deletes: gone },
                },
                patience,
              );
            }
          }),
        );
        expect(await replayed(log)).toEqual(wanted);
      },
    ),
    { numRuns: runs.updateBatches / 4 },
  );
});

test('large updates are cut into batches, and the mark is that of the last', async () => {
  const log = new MemoryLog();
  const count = 3 * batchRowsMax + 5;
  const large = planSharding({
    tables: [{ spec: { ...spec, name: 'rows', rows: count }, version: 1 }],
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
