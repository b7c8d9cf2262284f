// Whoever waits at the gate between readers and the writer of rows waits for a bounded time, whoever has died there.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { RowWriter } from '../../src/memory-node/row-writer.ts';
import { WorkerGate } from '../../src/memory-node/worker-gate.ts';
import {
  clearWorker,
  clearWriter,
  inside,
  makeGate,
  stateOf,
  waiting,
  wanted,
} from '../../src/memory-node/write-gate.ts';
import { WriterArena } from '../../src/memory-node/writer-arena.ts';
import { RowsWriterGate } from '../../src/memory-node/writer-gate.ts';
import { genesis } from '../../src/updates/chain.ts';
import { Reply } from '../../src/wire/reply.ts';
import type { Cluster } from '../cluster.ts';
import { batchOf, changingTables, dim, keysOf, startChanging, wrongIn } from './changing-tables.ts';
import { lookupFrame, replyOf } from './lookups.ts';
import { updatedReleases } from './updated-releases.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startChanging();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const [table] = changingTables;

async function open(): Promise<{
  readonly node: MemoryNode;
  readonly gate: ReturnType<typeof makeGate>;
  readonly writer: RowWriter;
  ask(): Promise<Reply>;
}> {
  const releases = updatedReleases();
  const plan = await releases.load({ routing: cluster.routing, tables: cluster.file });
  const gate = makeGate(2);
  const node = new MemoryNode('n0', [], { gate: new WorkerGate(gate, 0) });
  node.host(releases.hostings(plan)[0]);
  const { module, memories, staging, shards } = releases.updatesOf([plan]);
  const arena = new WriterArena(module, memories[shards[0].arena], staging[shards[0].arena]);
  const writer = new RowWriter(shards[0], arena, new RowsWriterGate(gate));
  writer.serve({ position: genesis(1), sequence: 0 });
  const keys = keysOf(table);
  const frame = lookupFrame(cluster.routing, table.name, keys, { lengths: new Array(keys.length).fill(1) });
  return { node, gate, writer, ask: async () => new Reply((await replyOf(node, frame)).slice()) };
}

const to = { position: { incarnation: 1, number: 1n, digest: 5n }, sequence: 7 };

test('a writer that never ends costs a subrequest UNAVAILABLE, and nothing once it is known to be dead', async () => {
  const { gate, ask, node } = await open();
  Atomics.store(gate, wanted, 1);
  expect((await ask()).error).toMatchObject({ code: 'UNAVAILABLE' });
  expect(Atomics.load(gate, stateOf(0))).toBe(0);
  clearWriter(gate);
  expect(wrongIn(table, await ask(), true)).toBeUndefined();
  expect(node.stats.held).toBe(0);
});

test.for([inside, waiting])(
  'a worker that stays in state %d delays a batch, until it is known to be dead',
  async (state) => {
    const { gate, writer, ask } = await open();
    Atomics.store(gate, stateOf(1), state);
    expect(writer.write(batchOf(table, 1), dim, to)).toBe('later');
    // Lookups have not noticed.
    expect(wrongIn(table, await ask(), true)).toBeUndefined();
    expect(writer.followedTo).toEqual({ position: genesis(1), sequence: 0 });
    clearWorker(gate, 1);
    expect(writer.write(batchOf(table, 1), dim, to)).toBe('written');
    expect(writer.followedTo).toEqual(to);
    expect(wrongIn(table, await ask(), true)).toBeUndefined();
  },
);

test('an answer that ends in any way is forgotten, so that rows can be used again', async () => {
  const { gate, node } = await open();
  const writerGate = new RowsWriterGate(gate);
  const kept = new WorkerGate(gate, 0);
  expect(writerGate.kept).toEqual([undefined, undefined]);
  kept.keep();
  kept.keep();
  const seen = writerGate.kept;
  kept.forget();
  expect(writerGate.isForgotten(seen)).toBe(false);
  kept.forget();
  expect(writerGate.isForgotten(seen)).toBe(true);
  kept.keep();
  // Another answer, which began later, knows nothing of rows from before.
  expect(writerGate.isForgotten(seen)).toBe(true);
  expect(writerGate.isForgotten(writerGate.kept)).toBe(false);
  const dead = writerGate.kept;
  clearWorker(gate, 0);
  expect(writerGate.isForgotten(dead)).toBe(true);
  expect(node.stats.held).toBe(0);
});
