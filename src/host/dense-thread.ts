// A worker thread that runs a dense network, so that lookups of the main thread do not wait for matrix products.
import { parentPort, workerData } from 'node:worker_threads';
import { FlexemrError } from '../errors.ts';
import { DenseNetwork } from '../ranker/dense-network.ts';
import type { DenseError, DenseReply, DenseTask } from './dense-threads.ts';

function send(reply: DenseReply, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(reply, transfer);
}

function failure(error: unknown): DenseError {
  const {
    code = 'WORKER_FAILED',
    field,
    value,
  } = error instanceof FlexemrError ? error : ({} as FlexemrError);
  return { code, message: error instanceof Error ? error.message : String(error), field, value };
}

async function serve(
  network: DenseNetwork,
  { id, dense, pooled, candidates, dim }: DenseTask,
): Promise<void> {
  try {
    const logits = Float32Array.from(await network.logits(dense, pooled, candidates, dim));
    send({ id, logits }, [logits.buffer]);
  } catch (error) {
    send({ id, error: failure(error) });
  }
}

try {
  const network = await DenseNetwork.open((workerData as { readonly path: string }).path);
  parentPort?.on('message', (task: DenseTask) => void serve(network, task));
  send({ id: 0, opened: { runtime: network.runtime, features: network.features } });
} catch (error) {
  send({ id: 0, error: failure(error) });
}
