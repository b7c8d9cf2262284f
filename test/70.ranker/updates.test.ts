// A lookup says which row updates its results have.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lookup } from '../../src/index.ts';
import { cacheBytesMin } from '../../src/limits.ts';
import * as wire from '../../src/wire/layout.ts';
import { inFour, wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { bits } from '../bits.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { RankerInput, rankerCases } from './ranker-case.ts';
import { UpdatedCluster } from './updated-cluster.ts';

/** By table, in the order of the shards. */
function updatesOf({ updates }: Lookup): Map<string, object[]> {
  return new Map(
    [...updates].map(([table, shards]) => [table, shards.toSorted((a, b) => a.shard - b.shard)]),
  );
}

const updatedTo = fc.record({
  incarnation: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  number: fc.oneof(fc.constantFrom(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n)),
});

test('updates change no bits, and a lookup lists those of every shard that was asked', async () => {
  const seen = { listed: 0, unlisted: 0, several: 0 };
  await fc.assert(
    fc.asyncProperty(
      rankerCases,
      fc.constantFrom('all', 'some', 'none'),
      fc.infiniteStream(updatedTo),
      fc.constantFrom('always', 'never', 'auto'),
      async (of, takes, numbers, pushDown) => {
        const input = new RankerInput(of);
        const wanted = await input.expected();
        await using updated = await UpdatedCluster.start(
          { tables: [input.table], nodes: of.nodes, split: input.split, ports: false },
          (shard) => takes === 'all' || (takes === 'some' && shard % 2 === 1),
        );
        await using ranker = await updated.cluster.ranker({ transport: 'loopback', pushDown });
        updated.serve(() => numbers.next().value);
        if ('field' in wanted) {
          const error = await refused(() => ranker.lookup(input.bags, { onMissing: of.onMissing }));
          expect(error).toMatchObject({ field: wanted.field });
          return;
        }
        const lookup = await ranker.lookup(input.bags, { onMissing: of.onMissing });
        expect(bits(lookup)).toEqual(wanted);
        const expected = updated.updatesOf(updated.asked);
        expect(updatesOf(lookup)).toEqual(expected);
        expect(lookup.updates).toBe(lookup.updates);
        if (expected.size === 0) seen.unlisted++;
        else seen.listed++;
        if ((expected.get('table')?.length ?? 0) > 1) seen.several++;
      },
    ),
    { numRuns: runs.updatedRankers },
  );
  console.log(seen);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

const bags = { sum: { keys: [1, 2, 39], offsets: [0, 2] }, none: { keys: [3, 30], offsets: [0, 1] } };

function start(): Promise<UpdatedCluster> {
  return UpdatedCluster.start({ tables: wholeNumbers, nodes: 3, split: inFour, ports: false });
}

test('what the cache answers has no updates', async () => {
  await using updated = await start();
  updated.serve((shard) => ({ incarnation: 1, number: BigInt(shard) }));
  await using ranker = await updated.cluster.ranker({ transport: 'loopback', cache: cacheBytesMin });
  const first = await ranker.lookup(bags);
  expect(updatesOf(first)).toEqual(updated.updatesOf(updated.asked));
  expect([...first.updates.keys()].sort()).toEqual(['none', 'sum']);
  const second = await ranker.lookup(bags);
  expect(bits(second)).toEqual(bits(first));
  // Tables of mode none are not cached.
  expect([...second.updates.keys()]).toEqual(['none']);
});

test('if segments of a shard were answered at several numbers, the least is listed; incarnations are listed apart', async () => {
  await using updated = await start();
  await using ranker = await updated.cluster.ranker({ transport: 'loopback', pushDown: 'always' });
  const features = ['a', 'b', 'c', 'd'].map((name, i) => [
    name,
    { keys: [i + 1], offsets: [0], table: 'sum' },
  ]);
  const numbers = [7n, 5n, 6n, 9n];
  for (const meddler of updated.meddlers.values())
    meddler.reply = (reply) => {
      const view = new DataView(reply.buffer);
      const at = reply.length - numbers.length * wire.SEQUENCE_BYTES;
      for (const [i, number] of numbers.entries()) {
        view.setUint32(at + i * wire.SEQUENCE_BYTES, i === 3 ? 2 : 1, true);
        view.setBigUint64(at + i * wire.SEQUENCE_BYTES + 4, number, true);
      }
      return reply;
    };
  const { updates } = await ranker.lookup(Object.fromEntries(features));
  expect(updates.get('sum')).toEqual([
    { shard: 0, incarnation: 1, number: 5n },
    { shard: 0, incarnation: 2, number: 9n },
  ]);
});

test('for any words as sequences, a lookup has the same results', async () => {
  await using updated = await start();
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  const wanted = bits(await ranker.lookup(bags));
  const word = fc.oneof(fc.constantFrom(0, 1, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }));
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(word), async (words) => {
      for (const meddler of updated.meddlers.values())
        meddler.reply = (reply) => {
          const view = new DataView(reply.buffer);
          const exceptions = view.getUint32(wire.REPLY_EXCEPTIONS, true) * 4;
          // Each of them is asked for one or two segments; all replies have at least one sequence.
          for (
            let at = reply.length - exceptions - wire.SEQUENCE_BYTES;
            at < reply.length - exceptions;
            at += 4
          )
            view.setUint32(at, words.next().value, true);
          return reply;
        };
      const lookup = await ranker.lookup(bags);
      expect(bits(lookup)).toEqual(wanted);
      for (const { incarnation, number } of [...lookup.updates.values()].flat()) {
        expect(incarnation).toBeLessThanOrEqual(0xffffffff);
        expect(BigInt.asUintN(64, number)).toBe(number);
      }
    }),
    { numRuns: runs.lies },
  );
});

test('rows that are being replaced are asked for elsewhere, or again later', async () => {
  const replicated = (tables: Parameters<typeof inFour>[0]): ReturnType<typeof inFour> =>
    tables.map((table) => ({
      ...table,
      shards: [{ node: 'n0', replicas: ['n1'], begin: 0, end: table.indexed ? 2 ** 32 : table.spec.rows }],
    }));
  await using updated = await UpdatedCluster.start({
    tables: wholeNumbers,
    nodes: 2,
    split: replicated,
    ports: false,
  });
  updated.serve((_, node) => ({ incarnation: 1, number: node === 'n0' ? 10n : 11n }));
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  const wanted = bits(await ranker.lookup(bags));
  for (const record of updated.records.get('n0')?.values() ?? []) record.reload();
  for (let i = 0; i < 20; i++) {
    const lookup = await ranker.lookup(bags);
    expect(bits(lookup)).toEqual(wanted);
    expect([...lookup.updates.values()].flat().map(({ number }) => number)).toEqual([11n, 11n]);
  }
  for (const record of updated.records.get('n1')?.values() ?? []) record.reload();
  const waiting = ranker.lookup(bags);
  updated.serve(() => ({ incarnation: 2, number: 1n }));
  expect(bits(await waiting)).toEqual(wanted);
  for (const record of updated.records.get('n0')?.values() ?? []) record.reload();
  for (const record of updated.records.get('n1')?.values() ?? []) record.reload();
  const error = await refused(() => ranker.lookup(bags, { deadline: 100 }));
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/replaces these rows/) });
});

test('tables that take no updates are not listed', async () => {
  await using updated = await UpdatedCluster.start(
    { tables: wholeNumbers, nodes: 3, split: inFour, ports: false },
    () => false,
  );
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  expect((await ranker.lookup(bags)).updates.size).toBe(0);
});
