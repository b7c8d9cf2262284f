// A worker thread of a pool. It has kernels for every arena that it has received, and works in their shared memories.
import { parentPort, workerData } from 'node:worker_threads';
import { runCalls } from '../kernel/run-calls.ts';
import { instantiate } from '../kernel/wasm.ts';
import { type ArenaView, type LoadedRows, loadRows } from './load-rows.ts';
import type { PoolReply, PoolTask, Work } from './thread-pool.ts';

const module = workerData as WebAssembly.Module;
const arenas: ArenaView[] = [];

function resultOf(work: Work): readonly number[] | LoadedRows {
  if ('load' in work) return loadRows(work.load, arenas[work.arena], work.staging);
  return runCalls(work.calls.map((call) => ({ ...call, kernels: arenas[call.arena].kernels })));
}

parentPort?.on('message', ({ id, memories, work }: PoolTask) => {
  for (const { arena, memory } of memories)
    arenas[arena] = { kernels: instantiate(module, memory), bytes: new Uint8Array(memory.buffer) };
  const reply: PoolReply = { id, ...answer(work) };
  parentPort?.postMessage(reply);
});

function answer(work: Work): Pick<PoolReply, 'result' | 'error'> {
  try {
    return { result: resultOf(work) };
  } catch (error) {
    return { error: error as Error };
  }
}
