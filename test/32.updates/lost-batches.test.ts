// A log that has lost what it had acknowledged, and uses the sequences again.
import { expect, test } from 'vitest';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { endOf } from '../../src/updates/chain-end.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import { type UpdateMark, Updater } from '../../src/updates/updater.ts';
import { MemoryLog } from './memory-log.ts';
import { hasher, patience, replayed, routing, row } from './update-case.ts';

const chain = chainName(numberedShards(routing)[0]);

/** Writes row 1 of the first shard. */
function writing(log: MemoryLog): (value: number) => Promise<UpdateMark> {
  const updater = new Updater(log, hasher);
  return (value) =>
    updater.write(routing as RoutingTable, { rows: { keys: [1], rows: row(value) } }, patience);
}

test('a batch that continues a lost one is not acknowledged, although its sequence is the expected one', async () => {
  const log = new MemoryLog();
  const [one, other] = [writing(log), writing(log)];
  for (const value of [1, 2, 3]) await one(value);
  log.lose(1);
  // It gets the sequence of the batch that is lost.
  await other(4);
  await expect(one(5)).rejects.toMatchObject({ code: 'UPDATES_LOST' });
  expect((await endOf(log, chain, log.made))?.position.number).toBe(3n);
  for (const [i, write] of [one, other, one].entries()) {
    expect(await write(6 + i)).toEqual({ rows: { 0: { incarnation: 1, number: BigInt(4 + i) } } });
    expect((await endOf(log, chain, log.made))?.position.number).toBe(BigInt(4 + i));
  }
});

test('a writer is told of its lost batch, also if the chain is longer than before', async () => {
  const log = new MemoryLog();
  const [one, other] = [writing(log), writing(log)];
  for (const value of [1, 2]) await one(value);
  log.lose(1);
  for (const value of [3, 4, 5]) await other(value);
  await expect(one(6)).rejects.toMatchObject({ code: 'UPDATES_LOST', value: 2n });
  await one(7);
  expect((await replayed(log)).get('rows 1')).toEqual(row(7));
});

test('a writer is told of its lost batch, also if another chain has got its sequence', async () => {
  const log = new MemoryLog();
  const [one, other] = [writing(log), writing(log)];
  for (const value of [1, 2]) await one(value);
  log.lose(1);
  const [, elsewhere] = numberedShards(routing);
  await new Updater(log, hasher).write(
    routing,
    { rows: { keys: [elsewhere.shard.begin], rows: row(3) } },
    patience,
  );
  for (const value of [4, 5]) await other(value);
  await expect(one(6)).rejects.toMatchObject({ code: 'UPDATES_LOST', value: 2n });
});

test('a batch of an earlier log is in no chain of this one', async () => {
  const log = new MemoryLog();
  log.clear();
  const rows = {
    keys: BigUint64Array.of(1n),
    rows: Float32Array.from(row(1)),
    deletes: new BigUint64Array(),
  };
  const { bytes } = writeBatch(rows, { sequence: 0, position: genesis(log.made - 1) }, 0);
  await log.append(chain, bytes, 0);
  expect(await endOf(log, chain, log.made)).toEqual({ sequence: 1, position: genesis(log.made) });
  expect(await writing(log)(2)).toEqual({ rows: { 0: { incarnation: log.made, number: 1n } } });
});
