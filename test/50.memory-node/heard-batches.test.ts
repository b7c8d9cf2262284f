import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeardBatches } from '../../src/memory-node/heard-batches.ts';
import { type ChainEnd, writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import { runs } from '../runs.ts';

const chain = 'c';
const deletes = new BigUint64Array();

/** A log that is written to, and counts how often it is asked. */
class CountedLog extends MemoryLog {
  asked = 0;
  readonly written: number[] = [];
  #end: ChainEnd = { sequence: 0, position: genesis(this.made) };

  override next(...place: Parameters<MemoryLog['next']>): ReturnType<MemoryLog['next']> {
    this.asked++;
    return super.next(...place);
  }

  async write(): Promise<void> {
    const rows = { keys: BigUint64Array.of(BigInt(this.written.length)), rows: new Float32Array(1), deletes };
    const { bytes, position } = writeBatch(rows, this.#end, 0);
    await this.append(chain, bytes, this.#end.sequence);
    this.#end = { sequence: this.sequence, position };
    this.written.push(this.sequence);
  }
}

const isNext = (): boolean => true;
const roomBytes = 300;

/** Reads until there is nothing more. @returns the sequences */
async function readAll(batches: HeardBatches, log: MemoryLog): Promise<number[]> {
  const read: number[] = [];
  for (
    let found = await batches.next(log, isNext);
    found !== undefined;
    found = await batches.next(log, isNext)
  ) {
    read.push(found.sequence);
    batches.pass(found.sequence);
  }
  return read;
}

test('what is heard is read once and in order, whatever of it is lost, late or doubled, and then the rest', async () => {
  const act = fc.constantFrom('write', 'write', 'hear', 'hear', 'lose', 'double', 'swap', 'miss', 'read');
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const log = new CountedLog();
      const room = { bytes: roomBytes };
      const batches = new HeardBatches(chain, 0, room);
      const way: Parameters<HeardBatches['hear']>[0][] = [];
      log.listen(chain, (added) => way.push(added));
      const read: number[] = [];
      for (const what of acts)
        if (what === 'write') await log.write();
        else if (what === 'hear' && way.length > 0) batches.hear(way.shift());
        else if (what === 'lose') way.shift();
        else if (what === 'double' && way.length > 0) way.unshift(way[0]);
        else if (what === 'swap') way.push(...way.splice(0, 1));
        else if (what === 'miss') batches.miss();
        else if (what === 'read') read.push(...(await readAll(batches, log)));
      batches.miss();
      read.push(...(await readAll(batches, log)));
      expect(read).toEqual(log.written);
      expect(room.bytes).toBe(roomBytes);
    }),
    { numRuns: runs.updateBatches },
  );
});

test('a log whose batches are heard is not asked for them', async () => {
  const log = new CountedLog();
  const batches = new HeardBatches(chain, 0, { bytes: roomBytes });
  log.listen(chain, (added) => batches.hear(added));
  expect(await readAll(batches, log)).toEqual([]);
  for (let i = 0; i < 20; i++) {
    await log.write();
    expect(await readAll(batches, log)).toEqual([log.sequence]);
  }
  expect(log.asked).toBe(1);
});

test('a batch that is missed while the log is asked is read next time', async () => {
  const log = new CountedLog();
  const batches = new HeardBatches(chain, 0, { bytes: roomBytes });
  const found = batches.next(log, isNext);
  await log.write();
  batches.hear(undefined);
  expect(await found).toBeUndefined();
  expect(await readAll(batches, log)).toEqual([1]);
});

test('a batch that does not continue the chain is not taken from what was heard', async () => {
  const log = new CountedLog();
  const batches = new HeardBatches(chain, 0, { bytes: roomBytes });
  log.listen(chain, (added) => batches.hear(added));
  await log.write();
  log.lose(1);
  expect(await batches.next(log, () => false)).toBeUndefined();
  expect(await readAll(batches, log)).toEqual([]);
});
