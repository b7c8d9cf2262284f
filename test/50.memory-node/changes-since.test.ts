// The rows that have changed are those of a plain replay, whatever races there were and whatever the log has forgotten.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchArena } from '../../src/host/batch-arena.ts';
import { changesSince } from '../../src/memory-node/changes-since.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { LoggedBatch } from '../../src/updates/update-log.ts';
import { Updater } from '../../src/updates/updater.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import { dim, hasher, patience, routing, row, writeAll, writers } from '../32.updates/update-case.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';

const arena = batchArena();
const shards = numberedShards(routing).map((shard) => ({ ...shard, chain: chainName(shard) }));

/** The batches of a chain, without those that lost a race. */
function winners(log: MemoryLog, name: string): LoggedBatch[] {
  const chain: LoggedBatch[] = [];
  let last = genesis(log.made);
  for (const { logged } of log.messages.filter((message) => message.chain === name)) {
    const { position, previous } = logged.batch;
    if (position.number !== last.number + 1n || previous !== last.digest) continue;
    chain.push(logged);
    last = position;
  }
  return chain;
}

/** `table key` and its row; undefined: it has none any more. */
function changesOf(
  chains: readonly { table: string; batches: readonly LoggedBatch[] }[],
): Map<string, unknown> {
  const rows = new Map<string, unknown>();
  for (const { table, batches } of chains)
    for (const { batch } of batches) {
      for (const key of batch.deletes) rows.set(`${table} ${key}`, undefined);
      for (const [i, key] of batch.keys.entries())
        rows.set(`${table} ${key}`, [...batch.rows.subarray(i * dim, (i + 1) * dim)]);
    }
  return rows;
}

async function dumped(log: MemoryLog, since: number): Promise<Map<string, unknown>> {
  const rows = new Map<string, unknown>();
  for (const { spec, rows: changed } of await changesSince(log, routing, BigInt(since), arena)) {
    for (const key of changed.written()) rows.set(`${spec.name} ${key}`, [...(changed.get(key) ?? [])]);
    for (const key of changed.deleted()) rows.set(`${spec.name} ${key}`, undefined);
  }
  return rows;
}

test('rows that changed since any batch are those of a plain replay, or the log has forgotten a batch', async () => {
  const seen = { whole: 0, rest: 0, refused: 0, races: 0 };
  await fc.assert(
    fc.asyncProperty(writers, fc.boolean(), fc.nat(8), fc.nat(8), async (all, isLax, since, forgotten) => {
      const log = new MemoryLog();
      log.isLax = isLax;
      await writeAll(
        all.map(() => new Updater(log, hasher)),
        all,
      );
      const chains = shards.map(({ chain, table }) => {
        return { chain, table: table.spec.name, batches: winners(log, chain) };
      });
      seen.races += log.messages.length - chains.reduce((sum, { batches }) => sum + batches.length, 0);
      const wanted = changesOf(
        chains.map(({ table, batches }) => ({ table, batches: batches.slice(since) })),
      );
      // Whoever deletes batches keeps one that is in the chain: nobody can tell one that lost a race from the winner, if that is gone.
      for (const { chain, batches } of chains) {
        const first = batches[Math.min(forgotten, batches.length - 1)];
        if (first !== undefined) log.forgetBefore(chain, first.sequence);
      }
      const kept = new Set(log.messages.map(({ logged }) => logged));
      const lacks = chains.filter(({ batches }) => batches.slice(since).some((batch) => !kept.has(batch)));
      if (lacks.length > 0) {
        seen.refused++;
        expect(await refused(() => dumped(log, since))).toMatchObject({ code: 'CONFLICT', field: 'updates' });
        return;
      }
      if (since === 0) seen.whole++;
      else if (wanted.size > 0) seen.rest++;
      expect(await dumped(log, since)).toEqual(wanted);
    }),
    { numRuns: runs.updateBatches * 4 },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

test('batches that no node writes are left out', async () => {
  const log = new MemoryLog();
  await new Updater(log, hasher).write(routing, { rows: { keys: [1], rows: row(1) } }, patience);
  const [first] = log.messages;
  const write = async (key: bigint, value: number, deletes: bigint[] = []): Promise<void> => {
    const last = (await log.last(first.chain)) as LoggedBatch;
    const end = { sequence: last.sequence, position: last.batch.position };
    const rows = { keys: BigUint64Array.of(key), rows: Float32Array.from(row(value)) };
    const { bytes } = writeBatch({ ...rows, deletes: BigUint64Array.from(deletes) }, end, 1);
    await log.append(first.chain, bytes, end.sequence);
  };
  await write(49n, 2);
  await write(1n, Number.NaN);
  await write(1n, 4, [0n]);
  expect(await dumped(log, 0)).toEqual(new Map([['rows 1', row(1)]]));
  await write(1n, 5);
  expect(await dumped(log, 4)).toEqual(new Map([['rows 1', row(5)]]));
  expect(await dumped(log, 5)).toEqual(new Map());
});
