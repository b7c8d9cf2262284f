// A lookup may ask for rows that have some updates at least.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AtLeast, KeyedBags, Lookup } from '../../src/index.ts';
import { cacheBytesMin, retryReserve } from '../../src/limits.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import { inFour, wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { bits } from '../bits.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import { UpdatedCluster } from './updated-cluster.ts';

const bags = { sum: { keys: [1, 2, 39], offsets: [0, 2] }, mean: { keys: [3, 30], offsets: [0, 1] } };
const u64Max = 2n ** 64n - 1n;

function whole(node: string, replicas: string[] | undefined) {
  return (tables: readonly PlannedTable[]): PlannedTable[] =>
    tables.map((table) => {
      const end = table.indexed ? 2 ** 32 : table.spec.rows;
      return { ...table, shards: [{ node, ...(replicas && { replicas }), begin: 0, end }] };
    });
}

function start(nodes: number, ports = false): Promise<UpdatedCluster> {
  const replicas = nodes === 1 ? undefined : Array.from({ length: nodes - 1 }, (_, i) => `n${i + 1}`);
  return UpdatedCluster.start({ tables: wholeNumbers, nodes, ports, split: whole('n0', replicas) });
}

/** The mark that a lookup gives, as it survives JSON. */
function markOf({ updates }: Lookup): AtLeast {
  const marks = [...updates].map(([table, shards]) => [
    table,
    Object.fromEntries(
      shards.map(({ shard, incarnation, number }) => [shard, { incarnation, number: String(number) }]),
    ),
  ]);
  return JSON.parse(JSON.stringify(Object.fromEntries(marks)));
}

test('what a lookup has seen, another one sees too, whatever the numbers are', async () => {
  await using updated = await UpdatedCluster.start({
    tables: wholeNumbers,
    nodes: 3,
    split: inFour,
    ports: false,
  });
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  const number = fc.oneof(fc.constantFrom(0n, 1n, u64Max - 1n, u64Max), fc.bigInt(0n, u64Max));
  const seen = { used: 0, stale: 0 };
  await fc.assert(
    fc.asyncProperty(number, number, fc.nat({ max: 9 }), async (had, wanted, other) => {
      updated.serve(() => ({ incarnation: 5, number: wanted }));
      const first = await ranker.lookup(bags);
      const mark = markOf(first);
      updated.serve((shard) => ({ incarnation: 5, number: shard % 10 === other ? had : wanted }));
      const asked = [...first.updates.values()].flat().some(({ shard }) => shard % 10 === other);
      const isFresh = !asked || had >= wanted;
      const second = ranker.lookup(bags, { atLeast: mark, deadline: isFresh ? 60_000 : 300 });
      if (isFresh) {
        seen.used++;
        expect(bits(await second)).toEqual(bits(first));
        return;
      }
      seen.stale++;
      const error = await refused(() => second);
      expect(error).toMatchObject({ code: 'STALE_ROWS', value: had, shard: expect.any(Number) });
      expect(Number(error.shard) % 10).toBe(other);
      expect(error.message).toContain(
        `must have update ${wanted} of incarnation 5, but has update ${had} of incarnation 5`,
      );
    }),
    { numRuns: runs.updatedRankers },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

test('a lookup waits until its node has the updates, without the budget of retries', async () => {
  await using updated = await start(1);
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  updated.serve(() => ({ incarnation: 1, number: 4n }));
  const first = await ranker.lookup(bags);
  const shards = [...first.updates.values()].flat().map(({ shard }) => shard);
  const atLeast = Object.fromEntries(
    [...first.updates.keys()].map((table, i) => [table, { [shards[i]]: { incarnation: 1, number: 5n } }]),
  );
  // More waits than the budget of retries allows.
  const lookups = Array.from({ length: 4 * retryReserve }, () =>
    ranker.lookup(bags, { atLeast, deadline: 60_000 }),
  );
  const until = updated.asked.length + 12 * retryReserve * shards.length;
  while (updated.asked.length < until) await new Promise((resolve) => setTimeout(resolve, 1));
  updated.serve(() => ({ incarnation: 1, number: 5n }));
  for (const lookup of await Promise.all(lookups)) {
    expect(bits(lookup)).toEqual(bits(first));
    expect([...lookup.updates.values()].flat().every(({ number }) => number === 5n)).toBe(true);
  }
});

describe('replicas', () => {
  test('another one is asked at once if one is behind, or of another incarnation', async () => {
    await using updated = await start(2);
    await using ranker = await updated.cluster.ranker({ transport: 'loopback', hedge: false });
    updated.serve(() => ({ incarnation: 1, number: 5n }));
    const mark = markOf(await ranker.lookup(bags));
    for (const incarnation of [1, 2]) {
      updated.serve((_, node) =>
        node === 'n0' ? { incarnation, number: 4n } : { incarnation: 1, number: 6n },
      );
      for (let i = 0; i < 20; i++) {
        const { updates } = await ranker.lookup(bags, { atLeast: mark });
        expect([...updates.values()].flat().every(({ number }) => number === 6n)).toBe(true);
      }
    }
    // A node that is behind has not failed: other lookups still use it.
    const nodes = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const from = updated.asked.length;
      await ranker.lookup(bags);
      for (const { node } of updated.asked.slice(from)) nodes.add(node);
    }
    expect(nodes.size).toBe(2);
  });

  test('all of them are asked again after a pause, until one has the updates', async () => {
    await using updated = await start(3);
    await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
    updated.serve(() => ({ incarnation: 1, number: 5n }));
    const mark = markOf(await ranker.lookup(bags));
    updated.serve((_, node) => ({ incarnation: node === 'n2' ? 9 : 1, number: 4n }));
    const from = updated.asked.length;
    const waiting = ranker.lookup(bags, { atLeast: mark, deadline: 60_000 });
    const rounds = (): number => (updated.asked.length - from) / 2 / 3;
    while (rounds() < 4) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(new Set(updated.asked.slice(from).map(({ node }) => node)).size).toBe(3);
    updated.serve((_, node) => ({ incarnation: 1, number: node === 'n1' ? 5n : 4n }));
    expect([...(await waiting).updates.values()].flat().map(({ number }) => number)).toEqual([5n, 5n]);
  });

  test('if all have another incarnation, nothing is waited for', async () => {
    await using updated = await start(2);
    await using ranker = await updated.cluster.ranker({ transport: 'loopback', hedge: false });
    updated.serve(() => ({ incarnation: 1, number: 5n }));
    const mark = markOf(await ranker.lookup(bags));
    updated.serve(() => ({ incarnation: 2, number: u64Max }));
    const from = updated.asked.length;
    const error = await refused(() => ranker.lookup(bags, { atLeast: mark, deadline: 60_000 }));
    expect(error).toMatchObject({ code: 'STALE_ROWS', field: expect.any(String), node: expect.any(String) });
    // One subrequest to each of two nodes, with both tables.
    expect(updated.asked.length - from).toBe(4);
  });
});

test('bags of these tables do not come from the cache, others do', async () => {
  await using updated = await start(1);
  await using ranker = await updated.cluster.ranker({ transport: 'loopback', cache: cacheBytesMin });
  updated.serve(() => ({ incarnation: 1, number: 5n }));
  const first = await ranker.lookup(bags);
  expect((await ranker.lookup(bags)).updates.size).toBe(0);
  const { sum } = markOf(first);
  const fresh = await ranker.lookup(bags, { atLeast: { sum } });
  expect(bits(fresh)).toEqual(bits(first));
  expect([...fresh.updates.keys()]).toEqual(['sum']);
  // A table without shards in the mark is asked for, too.
  expect([...(await ranker.lookup(bags, { atLeast: { mean: {} } })).updates.keys()]).toEqual(['mean']);
  expect((await ranker.lookup(bags)).updates.size).toBe(0);
});

test('results may be incomplete instead', async () => {
  await using updated = await start(1);
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  updated.serve(() => ({ incarnation: 1, number: 5n }));
  const mark = markOf(await ranker.lookup(bags));
  updated.serve(() => ({ incarnation: 1, number: 4n }));
  const lookup = await ranker.lookup(bags, { atLeast: mark, deadline: 30, onFailure: 'partial' });
  expect(lookup.failures.map(({ code }) => code)).toEqual(['STALE_ROWS']);
  expect([...(lookup.get('sum')?.incomplete ?? [])]).toEqual([0, 1]);
  expect(lookup.updates.size).toBe(0);
});

test('a table that takes no updates never has some', async () => {
  await using updated = await UpdatedCluster.start(
    { tables: wholeNumbers, nodes: 1, ports: false },
    () => false,
  );
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  const error = await refused(() =>
    ranker.lookup(bags, { atLeast: { sum: { 0: { incarnation: 1, number: 0n } } }, deadline: 60_000 }),
  );
  expect(error).toMatchObject({ code: 'STALE_ROWS', message: expect.stringMatching(/takes no updates/) });
});

test.for<[string, unknown, string, string]>([
  ['not an object', 7, 'INVALID_OPTION', 'atLeast'],
  ['a list', [], 'INVALID_OPTION', 'atLeast'],
  ['an unknown table', { nowhere: {} }, 'UNKNOWN_TABLE', 'atLeast'],
  ['a table that is not an object', { sum: 3n }, 'INVALID_OPTION', 'atLeast.sum'],
  ['a mark that is not an object', { sum: { 0: 3n } }, 'INVALID_OPTION', 'atLeast.sum.0'],
  ['no number', { sum: { 0: { incarnation: 1 } } }, 'INVALID_OPTION', 'atLeast.sum.0.number'],
  ['a number', { sum: { 0: { incarnation: 1, number: 3 } } }, 'INVALID_OPTION', 'atLeast.sum.0.number'],
  [
    'a negative bigint',
    { sum: { 0: { incarnation: 1, number: -1n } } },
    'INVALID_OPTION',
    'atLeast.sum.0.number',
  ],
  [
    '2^64',
    { sum: { 0: { incarnation: 1, number: String(2n ** 64n) } } },
    'INVALID_OPTION',
    'atLeast.sum.0.number',
  ],
  [
    'the incarnation 0',
    { sum: { 0: { incarnation: 0, number: 1n } } },
    'INVALID_OPTION',
    'atLeast.sum.0.incarnation',
  ],
  [
    'an incarnation of 2^32',
    { sum: { 0: { incarnation: 2 ** 32, number: 1n } } },
    'INVALID_OPTION',
    'atLeast.sum.0.incarnation',
  ],
  [
    'another field',
    { sum: { 0: { incarnation: 1, number: 1n, more: 1 } } },
    'INVALID_OPTION',
    'atLeast.sum.0.more',
  ],
  [
    'a shard of another table',
    { sum: { 1: { incarnation: 1, number: 1n } } },
    'STALE_ROUTING',
    'atLeast.sum',
  ],
  [
    'a shard that is no number',
    { sum: { x: { incarnation: 1, number: 1n } } },
    'STALE_ROUTING',
    'atLeast.sum',
  ],
])('a mark that is wrong is refused: %s', async ([, atLeast, code, field]) => {
  await using updated = await start(1);
  await using ranker = await updated.cluster.ranker({ transport: 'loopback' });
  const error = await refused(() => ranker.lookup(bags as KeyedBags, { atLeast: atLeast as AtLeast }));
  expect(error).toMatchObject({ code, field });
});
