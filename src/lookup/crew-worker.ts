// A worker thread of a crew: kernels over every arena it is shown, and calls run where their blocks lie.
import { parentPort, workerData } from 'node:worker_threads';
import type { Kernels } from '../kernel/kernels.ts';
import { instantiate } from '../kernel/wasm.ts';
import type { CrewJob, CrewReply } from './crew.ts';
import { runCalls } from './run.ts';

const module = workerData as WebAssembly.Module;
const kernels: Kernels[] = [];

parentPort?.on('message', ({ id, memories, calls }: CrewJob) => {
  for (const { arena, memory } of memories) kernels[arena] = instantiate(module, memory);
  const statuses = runCalls(calls.map((call) => ({ ...call, kernels: kernels[call.arena] })));
  parentPort?.postMessage({ id, statuses } satisfies CrewReply);
});
