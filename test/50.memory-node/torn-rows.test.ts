// Rows change while workers read them: nobody sees a torn row, half a batch, or a number that is ahead of its rows.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadHostings } from '../../src/host/file-shards.ts';
import type { Hosting } from '../../src/memory-node/hosting.ts';
import { RowWriter } from '../../src/memory-node/row-writer.ts';
import { type GateMemory, makeGate } from '../../src/memory-node/write-gate.ts';
import { WriterArena } from '../../src/memory-node/writer-arena.ts';
import { RowsWriterGate, type WriterGate } from '../../src/memory-node/writer-gate.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { genesis } from '../../src/updates/chain.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import {
  batchOf,
  type ChangingTable,
  changingTables,
  dim,
  keysOf,
  startChanging,
} from './changing-tables.ts';
import { lookupFrame } from './lookups.ts';
import type { ReaderReport, ReaderWork } from './torn-reader.ts';

const readers = 4;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startChanging();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const gateOf = {
  gate: (memory: GateMemory): WriterGate => new RowsWriterGate(memory),
  /** A gate that does nothing. */
  open: (): WriterGate => ({ write: (write) => write(), kept: [], isForgotten: () => true }),
  /** A gate that does not care for answers in progress. */
  forgetful: (memory: GateMemory): WriterGate => {
    const gate = new RowsWriterGate(memory);
    return { write: (write) => gate.write(write), kept: [], isForgotten: () => true };
  },
};
type Gating = keyof typeof gateOf;

function writersOf(hosting: Hosting, gate: WriterGate): RowWriter[] {
  const { module, memories, slots, shards } = hosting;
  const arenas = memories.map((memory, i) => new WriterArena(module, memory, slots[i].begin));
  return numberedShards(cluster.routing).map(({ table, shard, ...numbered }, i) => {
    const { arena, rows, index, updates } = shards[i];
    const chain = chainName({ table, shard, ...numbered });
    const at = { arena, rows, index, updates, chain, table: table.spec.name, ...shard };
    return new RowWriter(at, arenas[arena], gate);
  });
}

interface Outcome {
  readonly batches: number;
  readonly lookups: number;
  readonly wrong: Readonly<Record<string, string>>;
}

interface Stress {
  readonly ms: number;
  readonly sliceBytes: number;
  readonly gating?: Gating;
  readonly tables?: readonly ChangingTable[];
}

/** Four threads look up all rows of some tables, while this one writes batches without a pause. */
async function stress({
  ms,
  sliceBytes,
  gating = 'gate',
  tables = changingTables,
}: Stress): Promise<Outcome> {
  const { file, routing } = cluster;
  const hostings = await loadHostings({ tables: file, routing, node: 'n0', workers: readers + 1 });
  const asked = tables.map((table) => {
    const keys = keysOf(table);
    const frame = lookupFrame(routing, table.name, keys, { lengths: new Array(keys.length).fill(1) });
    return { table, frame };
  });
  const memory = makeGate(readers);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const gate = gating === 'open' ? undefined : memory;
  const writers = writersOf(hostings[readers], gateOf[gating](memory));
  for (const writer of writers) writer.serve({ position: genesis(1), sequence: 0 });
  const threads = Array.from({ length: readers }, (_, worker) => {
    const workerData: ReaderWork = { hosting: hostings[worker], worker, gate, sliceBytes, asked, stop };
    return new Worker(new URL('./torn-reader.ts', import.meta.url), { workerData });
  });
  const reports = threads.map((thread) => once(thread, 'message') as Promise<[ReaderReport]>);
  await Promise.all(threads.map((thread) => once(thread, 'online')));
  const numbers = new Map(tables.map(({ name }) => [name, 0]));
  let batches = 0;
  try {
    for (const until = performance.now() + ms; performance.now() < until; ) {
      for (const table of tables) {
        const number = (numbers.get(table.name) ?? 0) + 1;
        const position = { incarnation: 1, number: BigInt(number), digest: 0n };
        const to = { position, sequence: number };
        const written = writers[changingTables.indexOf(table)].write(batchOf(table, number), dim, to);
        if (written === 'later') continue;
        expect(written).toBe('written');
        numbers.set(table.name, number);
        batches++;
      }
    }
  } finally {
    Atomics.store(stop, 0, 1);
  }
  const all = (await Promise.all(reports)).map(([report]) => report);
  await Promise.all(threads.map((thread) => thread.terminate()));
  const lookups = all.reduce((sum, report) => sum + report.lookups, 0);
  return { batches, lookups, wrong: Object.assign({}, ...all.map(({ wrong }) => wrong)) };
}

const whole = Number.POSITIVE_INFINITY;

test.for([whole, 65_536])('four workers read rows that change, in slices of %d bytes', async (sliceBytes) => {
  const { batches, lookups, wrong } = await stress({ ms: runs.tornRowsMs, sliceBytes });
  expect(wrong).toEqual({});
  expect(batches).toBeGreaterThan(100);
  expect(lookups).toBeGreaterThan(100);
});

const rounds = 30;

test('without the gate, the same finds torn rows or half batches in every table', async () => {
  const found = new Set<string>();
  const left = (): ChangingTable[] => changingTables.filter(({ name }) => !found.has(name));
  for (let round = 0; round < rounds && left().length > 0; round++) {
    const { wrong } = await stress({ ms: 750, sliceBytes: whole, gating: 'open', tables: left() });
    for (const name of Object.keys(wrong)) found.add(name);
  }
  expect(left()).toEqual([]);
});

test('if rows of removed ids are used again at once, the same finds rows of other ids', async () => {
  const found: string[] = [];
  const tables = changingTables.filter(({ name }) => name === 'f32-ids');
  for (let round = 0; round < rounds && found.length === 0; round++) {
    const { wrong } = await stress({ ms: 750, sliceBytes: 4_096, gating: 'forgetful', tables });
    found.push(...Object.values(wrong));
  }
  expect(found[0]).toMatch(/has the row of/);
});
