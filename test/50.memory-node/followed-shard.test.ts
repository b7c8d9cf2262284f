// A shard that follows its chain in a log that has lost batches, or that is read from a server that lags.
import { expect, test } from 'vitest';
import { FollowedShard, type Progress } from '../../src/memory-node/followed-shard.ts';
import type { RowWriter } from '../../src/memory-node/row-writer.ts';
import { UpdateCounts } from '../../src/memory-node/update-counts.ts';
import { type ChainEnd, type ChainPosition, writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import type { LoggedBatch } from '../../src/updates/update-log.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';

const chain = 'chain';

/** Rows that are the numbers and the keys of the batches that were written to them. */
class Rows {
  followedTo: ChainEnd = { sequence: 0, position: genesis(0) };
  isReloading = false;
  written: bigint[] = [];

  reload(): [] {
    this.isReloading = true;
    return [];
  }

  isForgotten(): boolean {
    return true;
  }

  replaced(): void {}

  serve(to: ChainEnd): boolean {
    this.followedTo = to;
    this.isReloading = false;
    return true;
  }

  write({ keys }: { keys: BigUint64Array }, _: number, to: ChainEnd, served: boolean): 'written' {
    this.written.push(keys[0]);
    if (served) this.serve(to);
    return 'written';
  }
}

function following(rows: Rows, log: MemoryLog): FollowedShard {
  const shard = new FollowedShard({
    ...{ chain, table: 'movies', counts: new UpdateCounts(), room: { bytes: 1_000 } },
    writer: rows as unknown as RowWriter,
    reload: async () => {
      rows.written = [];
    },
  });
  log.listen(chain, (added) => shard.hear(added));
  return shard;
}

/** Writes a batch with one key. @returns its position */
async function append(log: MemoryLog, key: number, { sequence, position }: ChainEnd): Promise<ChainEnd> {
  const rows = {
    ...{ keys: BigUint64Array.of(BigInt(key)), rows: new Float32Array(1) },
    deletes: new BigUint64Array(),
  };
  const batch = writeBatch(rows, { sequence, position }, 0);
  await log.append(chain, batch.bytes, sequence);
  return { sequence: log.sequence, position: batch.position as ChainPosition };
}

/** Goes on until there is nothing to do. */
async function run(shard: FollowedShard, log: MemoryLog, steps = 200): Promise<Progress> {
  let did: Progress = 'more';
  for (let i = 0; i < steps; i++) {
    did = await shard.step(log, log.made);
    await new Promise((turn) => setImmediate(turn));
  }
  return did;
}

test('a batch that continues a lost one is left out by who reads the chain from its first batch', async () => {
  const [log, rows] = [new MemoryLog(), new Rows()];
  const shard = following(rows, log);
  const first = await append(log, 1, { sequence: 0, position: genesis(log.made) });
  const lost = await append(log, 2, first);
  await run(shard, log);
  expect(rows.written).toEqual([1n, 2n]);
  log.lose(1);
  const kept = await append(log, 3, first);
  // Its writer does not know yet what was lost.
  expect(kept.sequence).toBe(lost.sequence);
  const stray = await append(log, 4, lost);
  await append(log, 5, { sequence: stray.sequence, position: kept.position });
  expect(await run(shard, log)).toBe('done');
  expect(rows).toMatchObject({ written: [1n, 3n, 5n], isReloading: false });
  shard.verify();
  expect(await run(shard, log)).toBe('done');
  expect(rows).toMatchObject({ written: [1n, 3n, 5n], isReloading: false });
});

test('rows that are read again are not served before they have what the log had then', async () => {
  const [log, rows] = [new MemoryLog(), new Rows()];
  let end: ChainEnd = { sequence: 0, position: genesis(log.made) };
  for (const key of [1, 2, 3]) end = await append(log, key, end);
  rows.isReloading = true;
  const shard = following(rows, log);
  const next = log.next.bind(log);
  // A server that has not heard of every batch.
  let heard = 3;
  log.next = async (name, after): Promise<LoggedBatch | undefined> => {
    const found = await next(name, after);
    return found !== undefined && found.sequence <= heard ? found : undefined;
  };
  let isCaughtUp = false;
  void shard.caughtUp.then(() => {
    isCaughtUp = true;
  });
  // It is read again, hears where the chain ends, and gets the first batch.
  await run(shard, log, 2);
  heard = 1;
  await run(shard, log, 20);
  expect({ isCaughtUp, ...rows }).toMatchObject({ isCaughtUp: false, isReloading: true });
  heard = 3;
  expect(await run(shard, log)).toBe('done');
  expect({ isCaughtUp, ...rows }).toMatchObject({
    isCaughtUp: true,
    isReloading: false,
    written: [1n, 2n, 3n],
  });
});
