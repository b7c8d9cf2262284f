import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { drainMsMax, workerStartMsMax, workerStatsMsMax } from '../limits.ts';
import type { Hosting } from '../memory-node/hosting.ts';
import type { MemoryNodeTuning, WorkerStats } from '../memory-node/memory-node.ts';
import type { ListenerOptions } from '../transport/listener.ts';
import { type RdmaServing, resultOf, type Warning, type WorkerControl } from './worker-control.ts';

export interface WorkerThreadEvents {
  onDeath(cause: unknown): void;
  onWarning(warning: Warning): void;
}

/** One worker thread of a memory node, and the way to control it. */
export class WorkerThread {
  readonly #control: Comlink.Remote<WorkerControl>;
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  port = 0;

  constructor(name: string, tuning: MemoryNodeTuning, { onDeath, onWarning }: WorkerThreadEvents) {
    this.#worker = startWorker(packageFile('./memory-node-worker', import.meta.url), { name, tuning });
    this.#control = Comlink.wrap<WorkerControl>(nodeEndpoint(this.#worker));
    this.#worker.on('message', (said: Partial<Warning>) => {
      // Comlink's answers pass here too.
      if (said.warned !== undefined) onWarning(said as Warning);
    });
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#ended = once(this.#worker, 'exit').then(() => onDeath(cause));
  }

  async listen(own: ListenerOptions, common: ListenerOptions | undefined): Promise<void> {
    const call = this.#control.listen(own, common).catch((cause: Error) => {
      throw cannotListen(cause, own);
    });
    this.port = resultOf(await this.#started(call));
  }

  async host(hosting: Hosting, ports: readonly number[], rdma: RdmaServing | undefined): Promise<void> {
    resultOf(await this.#started(this.#control.host(hosting, ports, rdma)));
  }

  /** @throws WORKER_FAILED */
  async #started<T>(call: Promise<T>): Promise<T> {
    return await this.#answer(call, workerStartMsMax, () => {
      throw new FlexemrError('WORKER_FAILED', 'a worker thread of the memory node ended while it started');
    });
  }

  async stats(): Promise<WorkerStats> {
    const none = { subrequests: 0, keys: 0, errors: 0, refused: 0, busyUs: 0, held: 0 };
    return await this.#answer<WorkerStats>(this.#control.stats(), workerStatsMsMax, () => none);
  }

  /** One that does not end by itself is ended. */
  async drain(): Promise<void> {
    await this.#answer(this.#control.drain(), 2 * drainMsMax, () => {}).catch(() => {});
  }

  /**
   * What a control call gives. A worker that has died never answers, and one that hangs does not either.
   * @throws WORKER_FAILED after `msMax` ms
   */
  async #answer<T>(call: Promise<T>, msMax: number, onDeath: () => T): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `a worker thread of the memory node has not answered for ${msMax} ms`;
      timer = setTimeout(() => reject(new FlexemrError('WORKER_FAILED', message)), msMax);
    });
    try {
      return await Promise.race([call, this.#ended.then(onDeath), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A thread is refused at once where the system has no descriptor or memory for it. @throws WORKER_FAILED */
function startWorker(file: URL, workerData: object): Worker {
  try {
    return new Worker(file, { workerData });
  } catch (cause) {
    const message = `cannot start a worker thread: ${(cause as Error).message}. Start fewer workers, or raise ulimit -n.`;
    throw new FlexemrError('WORKER_FAILED', message, { field: 'workers', cause });
  }
}

/** What a server does not take: of such an error only its name and message get here. */
function cannotListen(cause: Error, { host, port }: ListenerOptions): FlexemrError {
  const message = `cannot listen on ${host}:${port}: ${cause.message}. Check the certificate and its key.`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'port', value: port, cause });
}
