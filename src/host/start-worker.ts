import { Worker } from 'node:worker_threads';
import { FlexemrError } from '../errors.ts';

/**
 * Starts a worker thread. @param what the threads are called, as in the option that says how many there are
 * @throws WORKER_FAILED if the system has no file descriptor or memory for the thread
 */
export function startWorker(file: URL, what: 'workers' | 'engines', workerData?: object): Worker {
  try {
    return new Worker(file, { workerData });
  } catch (cause) {
    const message = `cannot start a worker thread: ${(cause as Error).message}. Start fewer ${what}, or raise ulimit -n.`;
    throw new FlexemrError('WORKER_FAILED', message, { field: what, cause });
  }
}
