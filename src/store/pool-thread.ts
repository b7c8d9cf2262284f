// A worker thread of a pool. It has kernels for every arena that it has received, and works in their shared memories.
import { parentPort, workerData } from 'node:worker_threads';
import { runAnswers } from '../kernel/run-answers.ts';
import { instantiate } from '../kernel/wasm.ts';
import { type ArenaView, type LoadedRows, loadRows } from './load-rows.ts';
import type { NumberedReply, NumberedTask } from './task-thread.ts';
import type { PoolTask, Work } from './thread-pool.ts';

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

parentPort?.on('message', ({ id, task: { memories, work } }: NumberedTask<PoolTask>) => {
  for (const { arena, memory } of memories)
    arenas[arena] = { kernels: instantiate(module, memory), bytes: new Uint8Array(memory.buffer) };
  parentPort?.postMessage({ id, ...answer(work) } satisfies NumberedReply<LoadedRows>);
});

function answer(work: Work): Omit<NumberedReply<LoadedRows>, 'id'> {
  try {
    return { result: resultOf(work) };
  } catch (error) {
    return { error: error as Error };
  }
}
