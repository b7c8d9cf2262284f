// A worker thread that runs networks, so that lookups of the main thread do not wait for matrix products.
import { parentPort } from 'node:worker_threads';
import { OnnxNetwork } from '../model/onnx-network.ts';
import type { Tensors } from '../model/tensor.ts';
import type { NumberedReply, NumberedTask } from '../store/task-thread.ts';
import type { DenseResult, DenseTask } from './dense-threads.ts';
import { type Outcome, outcomeOf } from './worker-control.ts';

/** Empty until they are open, and after an error. */
let networks: readonly OnnxNetwork[] = [];

async function open(files: readonly string[]): Promise<DenseResult> {
  networks = await Promise.all(files.map((file) => OnnxNetwork.open(file)));
  return { runtime: networks[0].runtime, networks: networks.map(({ info }) => info) };
}

async function answer(task: DenseTask): Promise<DenseResult> {
  if ('open' in task) return await open(task.open);
  try {
    return { outputs: await networks[task.network].run(task.inputs) };
  } finally {
    free(task.inputs);
  }
}

/** Frees the memory of inputs at once: the garbage collector would let several batches of them grow old. */
function free(inputs: Tensors): void {
  // Node.js 20 cannot.
  for (const buffer of memoryOf(inputs)) if (typeof buffer.transfer === 'function') buffer.transfer(0);
}

/** Tasks are done one after the other, so that none begins before the networks are open. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', ({ id, task }: NumberedTask<DenseTask>) => {
  last = last.then(async () => {
    const reply: NumberedReply<Outcome<DenseResult>> = await outcomeOf(() => answer(task)).then(
      (result) => ({ id, result }),
      (error: Error) => ({ id, error }),
    );
    parentPort?.postMessage(reply, buffersOf(reply.result?.value));
  });
});

function buffersOf(result: DenseResult | undefined): ArrayBuffer[] {
  return result !== undefined && 'outputs' in result ? memoryOf(result.outputs) : [];
}

function memoryOf(tensors: Tensors): ArrayBuffer[] {
  return Object.values(tensors).map(({ data }) => data.buffer as ArrayBuffer);
}
