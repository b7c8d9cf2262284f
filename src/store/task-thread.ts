import { Worker } from 'node:worker_threads';
import { FlexemrError } from '../errors.ts';

/** A task for a thread, and the reply to it. */
export interface NumberedTask<T> {
  readonly id: number;
  readonly task: T;
}
export interface NumberedReply<R> {
  readonly id: number;
  readonly result?: R | undefined;
  readonly error?: Error | undefined;
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** A worker thread that takes tasks, and its unfinished tasks. If it ends, they fail. */
export class TaskThread<T> {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #tasks = 0;
  #onIdle: (() => void)[] = [];
  #ended: FlexemrError | undefined;

  /** @param onEnd called when the thread has ended, before its unfinished tasks fail */
  constructor(file: URL, workerData: unknown, onEnd: () => void = () => {}) {
    this.#worker = new Worker(file, { workerData });
    this.#worker.unref();
    this.#worker.on('message', (reply: NumberedReply<never>) => this.#settle(reply));
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#worker.on('exit', (code) => {
      const message = `a worker thread ended (exit code ${code}) before its work was done; try again`;
      this.#ended = new FlexemrError('WORKER_FAILED', message, { value: code, cause });
      onEnd();
      for (const { reject } of this.#waiting.values()) reject(this.#ended);
      this.#waiting.clear();
      this.#idle();
    });
  }

  /** Number of unfinished tasks. */
  get load(): number {
    return this.#waiting.size;
  }

  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** @throws WORKER_FAILED if the thread has ended, or what the task throws there */
  run<R>(task: T, transfer: readonly ArrayBuffer[] = []): Promise<R> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#tasks++;
    this.#worker.postMessage({ id, task } satisfies NumberedTask<T>, transfer);
    // Only a thread with work keeps the process alive.
    this.#worker.ref();
    return new Promise<R>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #settle({ id, result, error }: NumberedReply<never>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) {
      this.#worker.unref();
      this.#idle();
    }
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(error);
  }

  #idle(): void {
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Waits until it has no tasks. */
  async idle(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
