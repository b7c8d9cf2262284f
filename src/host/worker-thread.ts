import { once } from 'node:events';
import type { MessagePort, Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { drainMsMax, subrequestMsMax, workerStartMsMax, workerStatsMsMax } from '../limits.ts';
import { emptyReport, endedReport, type WorkerReport } from '../telemetry/worker-report.ts';
import type { PortOptions } from '../transport/http-port.ts';
import { startWorker } from './start-worker.ts';
import {
  type MetricsRequest,
  resultOf,
  type Serving,
  type Warning,
  type WorkerControl,
  type WorkerTuning,
} from './worker-control.ts';

export interface WorkerThreadEvents {
  onDeath(cause: unknown): void;
  onWarning(warning: Warning): void;
  /** The worker asks for the metrics of the node. They go to the port. */
  onMetrics(to: MessagePort): void;
}

/** Starts and controls one worker thread of a memory node. */
export class WorkerThread {
  readonly #control: Comlink.Remote<WorkerControl>;
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  #seen: WorkerReport = emptyReport;
  /** Number of memories that it has. */
  #memories = 0;
  port = 0;

  constructor(name: string, tuning: WorkerTuning, { onDeath, onWarning, onMetrics }: WorkerThreadEvents) {
    this.#worker = startWorker(packageFile('./memory-node-worker', import.meta.url), 'workers', {
      name,
      tuning,
    });
    this.#control = Comlink.wrap<WorkerControl>(nodeEndpoint(this.#worker));
    this.#worker.on('message', (said: Partial<Warning & MetricsRequest>) => {
      // The replies of Comlink arrive here too.
      if (said.warned !== undefined) onWarning(said as Warning);
      if (said.metricsTo !== undefined) onMetrics(said.metricsTo);
    });
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#ended = once(this.#worker, 'exit').then(() => onDeath(cause));
  }

  async listen(own: PortOptions, common: PortOptions | undefined): Promise<void> {
    const call = this.#control.listen(own, common).catch((cause: Error) => {
      throw cannotListen(cause, own);
    });
    this.port = resultOf(await this.#started(call));
  }

  async host({ hostings, ...serving }: Serving): Promise<void> {
    const [{ module, memories: all }] = hostings;
    const memories = all.slice(this.#memories);
    this.#memories = all.length;
    const releases = hostings.map(({ module: _, memories: __, ...release }) => release);
    resultOf(await this.#started(this.#control.host({ ...serving, module, memories, releases })));
  }

  /** Waits until it does not use the rows of releases any more that `host` has left out. @throws WORKER_FAILED */
  async unused(): Promise<void> {
    await this.#answer(this.#control.unused(), 2 * subrequestMsMax, () => undefined);
  }

  /** @throws WORKER_FAILED */
  async #started<T>(call: Promise<T>): Promise<T> {
    return await this.#answer(call, workerStartMsMax, () => {
      throw new FlexemrError('WORKER_FAILED', 'a worker thread of the memory node ended while it started');
    });
  }

  /** All are 0 if it has ended. @throws WORKER_FAILED if it does not answer */
  async stats(): Promise<WorkerReport> {
    return (await this.#ask()) ?? emptyReport;
  }

  /** The same, but what it had counted when last seen if it has ended or does not answer. */
  async report(): Promise<WorkerReport> {
    return (await this.#ask().catch(() => undefined)) ?? this.counted;
  }

  async #ask(): Promise<WorkerReport | undefined> {
    const stats = await this.#answer(this.#control.stats(), workerStatsMsMax, () => undefined);
    if (stats !== undefined) this.#seen = stats;
    return stats;
  }

  /** What it had counted when it was last seen. */
  get counted(): WorkerReport {
    return endedReport(this.#seen);
  }

  /** Drains the worker. Gives up without an error if it does not answer. */
  async drain(): Promise<void> {
    await this.#answer(this.#control.drain(), 2 * drainMsMax, () => {}).catch(() => {});
  }

  /**
   * Waits for the reply to a control call. A worker that has died or hangs never replies.
   * @param onDeath gives the result if the worker has ended @throws WORKER_FAILED after `msMax` ms
   */
  async #answer<T, U>(call: Promise<T>, msMax: number, onDeath: () => U): Promise<T | U> {
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

/** The error if a server does not accept its options. Only the name and message of `cause` come from the worker. */
function cannotListen(cause: Error, { host, port }: PortOptions): FlexemrError {
  const message = `cannot listen on ${host}:${port}: ${cause.message}. Check the certificate and its key.`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'port', value: port, cause });
}
