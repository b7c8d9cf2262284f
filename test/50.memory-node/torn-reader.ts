// A worker of a memory node in a thread of its own. It looks up all rows again and again, and says what was wrong.
import { parentPort, workerData } from 'node:worker_threads';
import type { Hosting } from '../../src/memory-node/hosting.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { WorkerGate } from '../../src/memory-node/worker-gate.ts';
import type { GateMemory } from '../../src/memory-node/write-gate.ts';
import { Reply } from '../../src/wire/reply.ts';
import { type ChangingTable, wrongIn } from './changing-tables.ts';

export interface ReaderWork {
  readonly hosting: Hosting;
  readonly worker: number;
  /** Undefined: it reads whenever it likes. */
  readonly gate: GateMemory | undefined;
  readonly sliceBytes: number;
  /** Tables, and a lookup of all keys of each. */
  readonly asked: readonly { readonly table: ChangingTable; readonly frame: Uint8Array }[];
  /** Not 0: it ends. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

export interface ReaderReport {
  readonly lookups: number;
  /** What was wrong at first, by table. */
  readonly wrong: Readonly<Record<string, string>>;
}

function run({ hosting, worker, gate, sliceBytes, asked, stop }: ReaderWork): ReaderReport {
  const passed = gate && new WorkerGate(gate, worker);
  const node = new MemoryNode('n0', [], { sliceBytes, gate: passed });
  node.host(hosting);
  const wrong: Record<string, string> = {};
  let lookups = 0;
  for (let i = worker; Atomics.load(stop, 0) === 0; i++) {
    const { table, frame } = asked[i % asked.length];
    const inbox = node.admit(frame.length);
    if ('code' in inbox) throw new Error(inbox.code);
    inbox.frame.set(frame);
    inbox.answer((reply) => {
      const problem = wrongIn(table, new Reply(reply), sliceBytes === Number.POSITIVE_INFINITY);
      lookups++;
      if (problem !== undefined) wrong[table.name] ??= problem;
    });
    inbox.release();
  }
  return { lookups, wrong };
}

parentPort?.postMessage(run(workerData as ReaderWork));
