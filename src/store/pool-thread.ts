// A worker thread of a pool. It has kernels for every arena that it has received, and works in their shared memories.
import { parentPort, workerData } from 'node:worker_threads';
import { runAnswers } from '../kernel/run-answers.ts';
import { instantiate } from '../kernel/wasm.ts';
import { type ArenaView, type LoadedRows, loadRows } from './load-rows.ts';
import type { PoolReply, PoolTask, Work } from './thread-pool.ts';

const module = workerData as WebAssembly.Module;
const arenas: ArenaView[] = [];

function resultOf(work: Work): LoadedRows | undefined {
  if ('load' in work) return loadRows(work.load, arenas[work.arena], work.staging);
  for (const { arena, list, scratch } of work.answers) {
    const { kernels, bytes } = arenas[arena];
    runAnswers({ kernels, words: new Uint32Array(bytes.buffer) }, list, scratch);
  }
  return undefined;
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
