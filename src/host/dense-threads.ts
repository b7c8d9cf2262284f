// Worker threads that run one dense network.
import { Worker } from 'node:worker_threads';
import { type ErrorCode, FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { denseOpenMsMax } from '../limits.ts';
import type { DenseRunner } from '../scorer/scorer.ts';

/** A batch for a thread. */
export interface DenseTask {
  readonly id: number;
  readonly dense: Float32Array;
  readonly pooled: Float32Array;
  readonly candidates: number;
  readonly dim: number;
}

/** The reply of a thread. Its first one has the id 0: it has opened the network, or could not. */
export interface DenseReply {
  readonly id: number;
  readonly opened?: OpenedNetwork;
  readonly logits?: Float32Array;
  readonly error?: DenseError;
}

/** An error as data: a class does not pass from thread to thread. */
export interface DenseError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field: string | undefined;
  readonly value: unknown;
}

interface OpenedNetwork {
  /** The package that runs it. */
  readonly runtime: string;
  readonly features: number | undefined;
}

interface Waiting {
  readonly resolve: (reply: DenseReply) => void;
  readonly reject: (error: Error) => void;
}

/** One thread. It takes one batch after the other. */
class DenseThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened: Promise<DenseReply>;
  #tasks = 0;
  #dead: FlexemrError | undefined;

  constructor(path: string) {
    this.#worker = new Worker(packageFile('./dense-thread', import.meta.url), { workerData: { path } });
    this.#opened = this.#reply(0);
    // If it replaces another thread, nobody waits until it has opened the network.
    this.#opened.catch(() => {});
    this.#worker.on('message', (reply: DenseReply) => this.#settle(reply));
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#worker.on('exit', () => {
      const message = 'the thread that ran the dense network has ended';
      this.#fail(new FlexemrError('WORKER_FAILED', message, { field: 'dense', cause }));
    });
  }

  /** @throws MISSING_DEPENDENCY, INVALID_FILE, WORKER_FAILED */
  async open(): Promise<OpenedNetwork> {
    const message = `the dense network was not opened within ${denseOpenMsMax} ms`;
    const timer = setTimeout(
      () => this.#fail(new FlexemrError('WORKER_FAILED', message, { field: 'dense' })),
      denseOpenMsMax,
    );
    try {
      const { opened } = await this.#opened;
      if (opened === undefined) throw new FlexemrError('WORKER_FAILED', message, { field: 'dense' });
      return opened;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Number of batches that it has. */
  get load(): number {
    return this.#waiting.size;
  }

  get isDead(): boolean {
    return this.#dead !== undefined;
  }

  async run(task: Omit<DenseTask, 'id'>): Promise<Float32Array> {
    const id = ++this.#tasks;
    const reply = this.#reply(id);
    const { dense, pooled } = task;
    this.#worker.postMessage({ id, ...task } satisfies DenseTask, [
      dense.buffer as ArrayBuffer,
      pooled.buffer as ArrayBuffer,
    ]);
    return (await reply).logits ?? new Float32Array();
  }

  #reply(id: number): Promise<DenseReply> {
    if (this.#dead) return Promise.reject(this.#dead);
    // Only a thread with work keeps the process alive.
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #settle(reply: DenseReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.error === undefined) waiting?.resolve(reply);
    else waiting?.reject(new FlexemrError(reply.error.code, reply.error.message, reply.error));
  }

  #fail(error: FlexemrError): void {
    this.#dead ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A dense network in threads of its own. A thread that has ended is replaced. */
export class DenseThreads implements DenseRunner {
  readonly features: number;
  /** The package that runs it. */
  readonly runtime: string;
  readonly #path: string;
  readonly #threads: DenseThread[];

  /** @param path an ONNX file, as for DenseNetwork.open @throws MISSING_DEPENDENCY, INVALID_FILE, WORKER_FAILED */
  static async open(path: string, count: number): Promise<DenseThreads> {
    const threads = Array.from({ length: count }, () => new DenseThread(path));
    try {
      const [{ runtime, features }] = await Promise.all(threads.map((thread) => thread.open()));
      if (features !== undefined) return new DenseThreads(path, threads, { runtime, features });
      const message = `${path} does not say how many dense features it takes: export it with input dense [batch, features], and install ONNX Runtime 1.22 or later`;
      throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: path });
    } catch (error) {
      await Promise.all(threads.map((thread) => thread.end()));
      throw error;
    }
  }

  private constructor(
    path: string,
    threads: DenseThread[],
    { runtime, features }: { readonly runtime: string; readonly features: number },
  ) {
    this.#path = path;
    this.#threads = threads;
    this.runtime = runtime;
    this.features = features;
  }

  get threads(): number {
    return this.#threads.length;
  }

  async run(
    dense: Float32Array,
    pooled: Float32Array,
    candidates: number,
    dim: number,
  ): Promise<Float32Array> {
    const place = this.#leastLoaded();
    if (this.#threads[place].isDead) this.#threads[place] = new DenseThread(this.#path);
    return await this.#threads[place].run({ dense, pooled, candidates, dim });
  }

  #leastLoaded(): number {
    const loads = this.#threads.map(({ load }) => load);
    return loads.indexOf(Math.min(...loads));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }
}
