// Worker threads that run the networks of a model.
import { access, constants } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import type { NetworkInfo, Tensors } from '../model/tensor.ts';
import type { DenseRunner } from '../scorer/batch-run.ts';
import { denseOpenMsMax, denseRunMsMax } from '../scoring-limits.ts';
import { TaskThread } from '../store/task-thread.ts';
import { type Outcome, resultOf } from './worker-control.ts';

/** Opens ONNX files, or runs one of these networks. */
export type DenseTask =
  | { readonly open: readonly string[] }
  | { readonly network: number; readonly inputs: Tensors };

interface Opened {
  /** The package that runs the networks. */
  readonly runtime: string;
  readonly networks: readonly NetworkInfo[];
}
export type DenseResult = Opened | { readonly outputs: Tensors };

/** One thread. It takes one task after the other. */
class DenseThread {
  readonly #thread = new TaskThread<DenseTask>(packageFile('./dense-thread', import.meta.url), undefined);
  readonly #opened: Promise<Opened>;

  constructor(files: readonly string[]) {
    this.#opened = this.#run<Opened>({ open: files }, denseOpenMsMax);
    // A thread without networks is of no use. The next one may find the files again.
    this.#opened.catch(() => void this.end());
  }

  /** @throws MISSING_DEPENDENCY, INVALID_FILE, WORKER_FAILED */
  get opened(): Promise<Opened> {
    return this.#opened;
  }

  /** Number of tasks that it has. */
  get load(): number {
    return this.#thread.load;
  }

  get isEnded(): boolean {
    return this.#thread.isEnded;
  }

  async run(network: number, inputs: Tensors): Promise<Tensors> {
    const memory = Object.values(inputs).map(({ data }) => data.buffer as ArrayBuffer);
    await this.#opened;
    return (await this.#run<{ outputs: Tensors }>({ network, inputs }, denseRunMsMax, memory)).outputs;
  }

  /** A thread that does not answer in time is ended, so that it fails what it has, and is replaced. */
  async #run<R extends DenseResult>(
    task: DenseTask,
    msMax: number,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<R> {
    const timer = setTimeout(() => void this.end(), msMax);
    try {
      return resultOf(await this.#thread.run<Outcome<R>>(task, transfer));
    } catch (error) {
      if (!(error instanceof FlexemrError) || error.code !== 'WORKER_FAILED') throw error;
      const message = 'the thread that ran the networks has ended, or had not answered in time; try again';
      throw new FlexemrError('WORKER_FAILED', message, { field: 'dense', cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until it has no tasks, and ends. */
  async drain(): Promise<void> {
    // A task that waits for the networks is not with the thread yet.
    await this.#opened.catch(() => {});
    await this.#thread.idle();
    await this.end();
  }

  async end(): Promise<void> {
    await this.#thread.end();
  }
}

/** Networks in threads of their own. A thread that has ended is replaced. */
export class DenseThreads implements DenseRunner {
  readonly runtime: string;
  readonly networks: readonly NetworkInfo[];
  readonly #files: readonly string[];
  readonly #threads: DenseThread[];
  #restarts = 0;
  /** The thread that is being replaced. It gets no tasks. */
  #leaving: DenseThread | undefined;
  #renewed: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param files ONNX files @throws MISSING_DEPENDENCY, INVALID_FILE, WORKER_FAILED */
  static async open(files: readonly string[], count: number): Promise<DenseThreads> {
    // A thread takes its time to start, only to find that there is no file.
    await Promise.all(files.map(checkReadable));
    const threads = Array.from({ length: count }, () => new DenseThread(files));
    try {
      const [opened] = await Promise.all(threads.map((thread) => thread.opened));
      return new DenseThreads(files, threads, opened);
    } catch (error) {
      await Promise.all(threads.map((thread) => thread.end()));
      throw error;
    }
  }

  private constructor(files: readonly string[], threads: DenseThread[], { runtime, networks }: Opened) {
    this.#files = files;
    this.#threads = threads;
    this.runtime = runtime;
    this.networks = networks;
  }

  get threads(): number {
    return this.#threads.length;
  }

  /** Threads that were replaced. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Replaces the threads, one after the other, once they have no tasks: the memory of a WebAssembly module never shrinks, so
   * only a new thread needs no more than its batches do. A thread ends before the next one begins, so that they need no
   * more memory together. Meanwhile, the other threads have the tasks. If there is only one, tasks wait for it to open
   * the networks.
   */
  async renew(): Promise<void> {
    for (const [place, thread] of [...this.#threads].entries()) {
      const renewed = this.#replace(place, thread);
      this.#renewed = renewed.catch(() => {});
      await renewed;
    }
  }

  async #replace(place: number, thread: DenseThread): Promise<void> {
    this.#leaving = thread;
    await thread.drain();
    this.#leaving = undefined;
    // Nobody would end another thread.
    if (this.#closed) return;
    const next = new DenseThread(this.#files);
    this.#threads[place] = next;
    await next.opened;
  }

  async run(network: number, inputs: Tensors): Promise<Tensors> {
    if (this.#leaving !== undefined && this.#threads.length === 1) await this.#renewed;
    const loads = this.#threads.map((thread) =>
      thread === this.#leaving ? Number.POSITIVE_INFINITY : thread.load,
    );
    const place = loads.indexOf(Math.min(...loads));
    if (this.#threads[place].isEnded) {
      this.#threads[place] = new DenseThread(this.#files);
      this.#restarts++;
    }
    return await this.#threads[place].run(network, inputs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }
}

async function checkReadable(file: string): Promise<void> {
  await access(file, constants.R_OK).catch((cause: Error) => {
    const message = `cannot read the network ${file}: ${cause.message}`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: file, cause });
  });
}
