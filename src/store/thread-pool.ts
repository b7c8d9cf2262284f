import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { FlexemrError } from '../errors.ts';
import { kernelModule, packageFile } from '../kernel/files.ts';
import { runCalls } from '../kernel/run-calls.ts';
import type { Arena } from './arena.ts';
import { type LoadedRows, loadRows, type RowsJob } from './load-rows.ts';

/** One kernel call, ready to run on any thread that has kernels over its arena. */
export interface KernelCall {
  readonly arena: Arena;
  readonly kernel: 'pool' | 'gather';
  readonly address: number;
}

/** What a thread is to do. Arenas go by their numbers. */
export type Work =
  | { readonly calls: readonly (Omit<KernelCall, 'arena'> & { readonly arena: number })[] }
  | { readonly load: RowsJob; readonly arena: number; readonly staging: number };

/** What a thread is told: its work, and the memories of arenas that it has not seen. */
export interface PoolTask {
  readonly id: number;
  readonly memories: readonly { readonly arena: number; readonly memory: WebAssembly.Memory }[];
  readonly work: Work;
}

/** What it answers: the status of each call, or what came of the rows; or why the system refused. */
export interface PoolReply {
  readonly id: number;
  readonly result?: readonly number[] | LoadedRows;
  readonly error?: Error;
}

/** Tasks that a thread is given at a time while rows are loaded: one under way, and the next. */
const tasksAhead = 2;

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread with kernels over the arenas it has seen, and the tasks it holds. */
class PoolThread {
  readonly #worker: Worker;
  readonly #arenas: readonly Arena[];
  readonly #seen = new Set<number>();
  readonly #waiting = new Map<number, Waiting>();
  #tasks = 0;

  /** @param onExit called when the worker has ended and what it held has failed */
  constructor(arenas: readonly Arena[], onExit: () => void) {
    this.#arenas = arenas;
    this.#worker = new Worker(packageFile('./pool-thread', import.meta.url), {
      workerData: kernelModule('shared'),
    });
    this.#worker.unref();
    this.#worker.on('message', (reply: PoolReply) => this.#settle(reply));
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#worker.on('exit', (code) => {
      onExit();
      const message = `a worker thread ended (exit code ${code}) before its work was done; try again`;
      const error = new FlexemrError('WORKER_FAILED', message, { value: code, cause });
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  /** @param arenas that the work is in */
  run<T>(work: Work, arenas: Iterable<number>): Promise<T> {
    const id = this.#tasks++;
    const unseen = [...new Set(arenas)].filter((arena) => !this.#seen.has(arena));
    const memories = unseen.map((arena) => ({ arena, memory: this.#arenas[arena].memory }));
    for (const arena of unseen) this.#seen.add(arena);
    this.#worker.postMessage({ id, memories, work } satisfies PoolTask);
    // Only a worker with work keeps the process alive.
    this.#worker.ref();
    return new Promise<T>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #settle({ id, result, error }: PoolReply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(error);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A place in the pool: a thread, started when there is work, and another after it has ended. */
class Member {
  readonly #arenas: readonly Arena[];
  #thread: PoolThread | undefined;

  constructor(arenas: readonly Arena[]) {
    this.#arenas = arenas;
  }

  run<T>(work: Work, arenas: Iterable<number>): Promise<T> {
    this.#thread ??= this.#start();
    return this.#thread.run(work, arenas);
  }

  #start(): PoolThread {
    const thread = new PoolThread(this.#arenas, () => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    return thread;
  }

  /** Ends the thread; work that comes later gets another. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
  }
}

/** Threads that share lookups, and the loading of rows: the calling thread and `threads` − 1 workers. */
export class ThreadPool implements AsyncDisposable {
  readonly #arenas: readonly Arena[];
  readonly #members: readonly Member[];

  /** @param arenas may gain arenas while the pool lives */
  constructor(threads: number, arenas: readonly Arena[]) {
    this.#arenas = arenas;
    this.#members = Array.from({ length: threads - 1 }, () => new Member(arenas));
  }

  get threads(): number {
    return this.#members.length + 1;
  }

  /** Runs each part's calls on a thread of its own. @returns their statuses @throws WORKER_FAILED, after all have ended */
  async run(parts: readonly (readonly KernelCall[])[]): Promise<(readonly number[])[]> {
    const [own, ...others] = parts;
    const running = others.map((calls, i) => {
      const numbered = calls.map((call) => ({ ...call, arena: this.#arenas.indexOf(call.arena) }));
      const arenas = numbered.map(({ arena }) => arena);
      return this.#members[i].run<readonly number[]>({ calls: numbered }, arenas);
    });
    const ownCalls = own.map(({ arena, kernel, address }) => ({ kernels: arena.kernels, kernel, address }));
    const ownStatuses = await Promise.allSettled([
      new Promise<readonly number[]>((resolve) => resolve(runCalls(ownCalls))),
    ]);
    // Whatever fails, the slots are not given back before every thread has let go of them.
    const settled = await Promise.allSettled(running);
    return [...ownStatuses, ...settled].map(unwrap);
  }

  /**
   * Loads rows into an arena, each job by the thread that is free next, until one fails.
   * @param stagings room to convert rows in, one a thread; none where they are kept as they are @param onLoaded what came of a job; whatever it throws ends it
   * @throws WORKER_FAILED, what the system says of the file, and what `onLoaded` throws, after all threads have let go
   */
  async load(
    arena: Arena,
    jobs: readonly RowsJob[],
    stagings: readonly number[],
    onLoaded: (loaded: LoadedRows, job: number) => void,
  ): Promise<void> {
    let next = 0;
    const failures: { readonly job: number; readonly error: unknown }[] = [];
    const lane = async (run: (job: RowsJob) => Promise<LoadedRows>): Promise<void> => {
      while (next < jobs.length && failures.length === 0) {
        const job = next++;
        try {
          onLoaded(await run(jobs[job]), job);
        } catch (error) {
          failures.push({ job, error });
        }
      }
    };
    const number = this.#arenas.indexOf(arena);
    const threads = stagings.length > 0 ? stagings.length : this.threads;
    // A thread is worth starting where there is more than this one does while it starts.
    const most = Math.min(Math.floor(jobs.length / tasksAhead), Math.max(0, threads - 1));
    const members = this.#members.slice(0, most);
    const lanes = members.flatMap((member, i) => {
      const run = (load: RowsJob): Promise<LoadedRows> =>
        member.run<LoadedRows>({ load, arena: number, staging: stagings[i + 1] ?? 0 }, [number]);
      return Array.from({ length: tasksAhead }, () => lane(run));
    });
    const here = lane(async (job) => {
      // What others have done is heard of between two jobs of this thread's.
      await turn();
      return loadRows(job, arena, stagings[0] ?? 0);
    });
    await Promise.all([here, ...lanes]);
    // Jobs are begun in order and end in any: of several failures the first job's is told.
    const [first] = failures.sort((a, b) => a.job - b.job);
    if (first) throw first.error;
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function unwrap(result: PromiseSettledResult<readonly number[]>): readonly number[] {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
