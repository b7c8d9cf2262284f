// Nodes load only their own shards, into one or more arenas.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { type NumberedShard, numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { EXCEPTION_OUTCOME_SHIFT, EXCEPTION_POSITION_MASK, HEADER_BYTES } from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import type { OutgoingSegment } from '../40.wire/write-subrequest.ts';
import { Cluster } from '../cluster.ts';
import { localNode } from '../local-node.ts';
import { runs } from '../runs.ts';
import { hostingsIn } from './arenas.ts';
import { frameOf, replyOf, segmentOf, subrequests, timeless } from './lookups.ts';
import { ids, inFour, wholeNumbers } from './whole-numbers.ts';

let cluster: Cluster;
let routing: RoutingTable;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 3, split: inFour });
  routing = cluster.routing;
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const [dim, fateMissing, fateDefaulted] = [3, 2, 3];
const tables = wholeNumbers.filter(({ spec }) => spec.dtype !== 'int8' && spec.dtype !== 'f16');

function shardsOf(name: string): NumberedShard[] {
  return numberedShards(routing).filter(({ table }) => table.spec.name === name);
}

/** Asks the node of a shard for some keys. */
async function ask(
  { number, shard, table }: NumberedShard,
  keys: readonly (number | bigint)[],
  more: Partial<OutgoingSegment>,
): Promise<Reply> {
  const node = cluster.handlers.get(routing.nodes.find(({ id }) => id === shard.node)?.url ?? '');
  if (node === undefined) throw new Error(`node ${shard.node} does not exist`);
  const lengths = new Array(keys.length).fill(1);
  const segment = { ...segmentOf(routing, table.spec.name, keys, { lengths, ...more }), shard: number };
  const reply = new Reply(await replyOf(node, frameOf(routing, [segment])));
  expect(reply.error).toBeUndefined();
  return reply;
}

function outcomes(reply: Reply): Map<number, number> {
  const each = Array.from(reply.exceptions, (entry) => {
    return [entry & EXCEPTION_POSITION_MASK, entry >>> EXCEPTION_OUTCOME_SHIFT] as const;
  });
  return new Map(each);
}

test.for(tables.map(({ spec }) => spec.name))(
  'every row of %s is in one shard, with its values',
  async (name) => {
    const given = tables.find(({ spec }) => spec.name === name);
    const keys = given?.ids ? [...given.ids] : Array.from({ length: 40 }, (_, row) => row);
    const seen: number[] = [];
    for (const shard of shardsOf(name)) {
      const { begin, end } = shard.shard;
      const reply = await ask(shard, keys, { fetch: true, offsets: undefined, missing: 'skip' });
      const absent = outcomes(reply);
      const held = keys.flatMap((_, row) => {
        if (given?.ids) return absent.has(row) ? [] : [row];
        return row >= begin && row < end ? [row] : [];
      });
      for (const row of keys.keys()) {
        const wanted = held.includes(row)
          ? given?.rows.slice(row * dim, (row + 1) * dim)
          : new Float32Array(dim);
        // The padding row is never read.
        if (absent.get(row) !== 1) expect(reply.floats(HEADER_BYTES + row * dim * 4, dim)).toEqual(wanted);
      }
      const [listed] = [...cluster.handlers.values()].flatMap((handler) =>
        handler
          .describe()
          .tables.flatMap((table) => table.shards.filter((own) => own.shard === shard.number)),
      );
      expect(listed).toEqual({ shard: shard.number, begin, end, rows: held.length });
      seen.push(...held);
    }
    expect(seen.sort((a, b) => a - b)).toEqual([...keys.keys()]);
  },
);

test('in a row-keyed table, the last shard has the default row', async () => {
  const shards = shardsOf('max');
  for (const [i, shard] of shards.entries()) {
    const reply = await ask(shard, [40, 2 ** 32 - 1], {});
    const last = i === shards.length - 1;
    expect([...outcomes(reply).values()]).toEqual(last ? [fateDefaulted, fateDefaulted] : []);
    expect([...reply.floats(HEADER_BYTES, 3)]).toEqual(last ? [9, -9, 0] : [0, 0, 0]);
    expect([...reply.counts(HEADER_BYTES + 2 * dim * 4, 2)]).toEqual(last ? [1, 1] : [0, 0]);
  }
});

test('in an indexed table, every shard has a default row, because an unknown id can hash to any of them', async () => {
  for (const shard of shardsOf('idMean')) {
    const reply = await ask(shard, [1n], { partial: false });
    expect([...outcomes(reply).values()]).toEqual([fateDefaulted]);
    expect([...reply.floats(HEADER_BYTES, 3)]).toEqual([1, 2, 3]);
  }
});

test('a shard of an indexed table can have no ids', async () => {
  const spec = { name: 'few', rows: 2, dim: 1, mode: 'sum', missing: 'skip' } as const;
  const few = [{ spec, rows: Float32Array.of(5, 6), ids: BigUint64Array.of(8n, 9n) }];
  const cuts = Array.from({ length: 9 }, (_, i) => (i * 2 ** 32) / 8);
  await using sparse = await Cluster.start({
    tables: few,
    nodes: 1,
    split: ([table]) => [
      { ...table, shards: cuts.slice(1).map((end, i) => ({ node: 'n0', begin: cuts[i], end })) },
    ],
  });
  const [node] = sparse.handlers.values();
  const [{ shards }] = node.describe().tables;
  expect(shards.reduce((sum, { rows }) => sum + rows, 0)).toBe(2);
  let pooled = 0;
  for (const { shard, rows } of shards) {
    const segment = { ...segmentOf(sparse.routing, 'few', [8n, 9n]), shard };
    const reply = new Reply(await replyOf(node, frameOf(sparse.routing, [segment])));
    expect(outcomes(reply).size).toBe(2 - rows);
    expect([...outcomes(reply).values()].every((outcome) => outcome === fateMissing)).toBe(true);
    pooled += reply.floats(HEADER_BYTES, 1)[0];
  }
  expect(pooled).toBe(11);
});

test('rows in many arenas give the same as rows in one arena, at every worker', async () => {
  const options = { file: cluster.file, routing, node: 'n1', workers: 3 };
  const one = await localNode({ tables: cluster.file, routing, node: 'n1' });
  // Arenas of 64 bytes, so that no two shards share one.
  const hostings = await hostingsIn({ slotBytes: 2 ** 22, shardBytes: 64 }, options);
  expect(hostings).toHaveLength(3);
  const [{ memories }] = hostings;
  expect(memories.length).toBeGreaterThan(5);
  const nodes = hostings.map((hosting) => {
    const node = new MemoryNode('n1', []);
    node.host(hosting);
    return node;
  });
  let pooled = 0;
  await fc.assert(
    fc.asyncProperty(subrequests(routing, 'n1', [...ids]), fc.nat({ max: 2 }), async (frame, worker) => {
      const [wanted, got] = await Promise.all([replyOf(one, frame), replyOf(nodes[worker], frame)]);
      expect(timeless(got)).toEqual(timeless(wanted));
      if (new Reply(got).error === undefined) pooled++;
      expect(nodes[worker].stats.held).toBe(0);
    }),
    { numRuns: runs.arenaLookups },
  );
  expect(pooled).toBeGreaterThan(runs.arenaLookups / 4);
});

test('the slots of workers do not overlap each other or the rows, in every arena', async () => {
  const options = { file: cluster.file, routing, node: 'n2', workers: 5 };
  // Arenas end at a page boundary, so the space for slots differs.
  const [first, ...others] = await hostingsIn({ slotBytes: 2 ** 20 + 4096, shardBytes: 1000 }, options);
  const { memories, shards } = first;
  expect(memories.length).toBeGreaterThan(3);
  for (const [arena, { buffer }] of memories.entries()) {
    const rows = shards.filter((shard) => shard.arena === arena);
    const rowsEnd = Math.max(
      ...rows.map(({ rows: { address, rows: count, rowBytes } }) => address + count * rowBytes),
    );
    const ranges = [first, ...others].map(({ slots }) => slots[arena]).sort((a, b) => a.begin - b.begin);
    const ends = [rowsEnd, ...ranges.map(({ end }) => end)];
    for (const [i, { begin, end }] of ranges.entries()) {
      expect(begin).toBeGreaterThanOrEqual(ends[i]);
      expect(end - begin).toBeGreaterThan(2 ** 17);
    }
    expect(ends.at(-1)).toBeLessThanOrEqual(buffer.byteLength);
  }
});

test('the index of a shard is beside its rows, whatever it has of them', async () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), cuts, async (rows, inner) => {
      const ends = [...inner.toSorted((a, b) => a - b), 2 ** 32];
      const spec = { name: 't', rows, dim: 1, mode: 'sum', missing: 'skip' } as const;
      const given = {
        spec,
        rows: new Float32Array(rows).fill(1),
        ids: BigUint64Array.from({ length: rows }, (_, i) => BigInt(i)),
      };
      await using one = await Cluster.start({
        ...{ tables: [given], nodes: 1, ports: false },
        split: (all, [node]) =>
          all.map((table) => ({
            ...table,
            shards: ends.map((end, i) => ({ node, begin: ends[i - 1] ?? 0, end })),
          })),
      });
      await using ranker = await one.ranker({ transport: 'loopback' });
      // Half of them are not there.
      const keys = BigUint64Array.from({ length: 2 * rows }, (_, i) => BigInt(i));
      const found = (await ranker.lookup({ t: { keys, lengths: new Array(2 * rows).fill(1) } })).get('t');
      expect([...(found?.values ?? [])]).toEqual(Array.from(keys, (key) => Number(key < rows)));
    }),
    { numRuns: runs.indexedShards },
  );
});
