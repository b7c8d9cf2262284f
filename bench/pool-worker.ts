// A worker that pools one batch after the other while its state is RUN (two-workers.ts).
import { parentPort, workerData } from 'node:worker_threads';

import { instantiateKernels } from '../src/kernel/files.ts';
import * as ours from './ours.ts';
import { CALLS, IDLE, MICROSECONDS, type PoolWorkerData, RUN, STATE } from './two-workers.ts';

const { memory, control, call, keySets } = workerData as PoolWorkerData;
const kernels = instantiateKernels(memory);
const words = new Int32Array(memory.buffer);
const u32 = new Uint32Array(memory.buffer);
const at = control / 4;
let turn = 0;

parentPort?.postMessage('ready');
for (;;) {
  Atomics.wait(words, at + STATE, IDLE);
  const start = performance.now();
  let calls = 0;
  do {
    ours.pool(kernels, u32, call, keySets[turn++ % keySets.length]);
    calls++;
  } while (Atomics.load(words, at + STATE) === RUN);
  words[at + CALLS] = calls;
  words[at + MICROSECONDS] = (performance.now() - start) * 1000;
  Atomics.store(words, at + STATE, IDLE);
  Atomics.notify(words, at + STATE);
}
