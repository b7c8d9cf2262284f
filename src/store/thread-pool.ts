import { setImmediate as turn } from 'node:timers/promises';
import { kernelModule, packageFile } from '../kernel/files.ts';
import { runAnswers } from '../kernel/run-answers.ts';
import { tableRequestsMax } from '../table-limits.ts';
import type { Arena } from './arena.ts';
import { inLanes } from './lanes.ts';
import { type LoadedRows, loadRows, type RowsJob } from './load-rows.ts';
import { TaskThread } from './task-thread.ts';

/** Answers in one arena that threads share out among them (kernel/run-answers.ts). */
export interface SharedAnswers {
  readonly arena: Arena;
  readonly list: number;
  /** Addresses of scratch memory, one for each thread. */
  readonly scratches: readonly number[];
}

/** Work for a thread. Arenas are identified by their numbers: their positions in the pool's list. */
export type Work =
  | {
      readonly answers: readonly {
        readonly arena: number;
        readonly list: number;
        readonly scratch: number;
      }[];
    }
  | { readonly load: RowsJob; readonly arena: number; readonly staging: number };

/** A task for a thread: its work, and the memories of those arenas that the thread has not received yet. */
export interface PoolTask {
  readonly memories: readonly { readonly arena: number; readonly memory: WebAssembly.Memory }[];
  readonly work: Work;
}

/** Number of tasks that a thread has at a time while rows are loaded: one in progress and the next one. */
const tasksAhead = 2;

/** One worker thread with kernels for the arenas that it has received. */
class PoolThread {
  readonly #thread: TaskThread<PoolTask>;
  readonly #arenas: readonly Arena[];
  readonly #seen = new Set<number>();

  /** @param onEnd called when the thread has ended, before its unfinished tasks fail */
  constructor(arenas: readonly Arena[], onEnd: () => void) {
    this.#arenas = arenas;
    const file = packageFile('./pool-thread', import.meta.url);
    this.#thread = new TaskThread(file, kernelModule('shared'), onEnd);
  }

  /** @param arenas numbers of the arenas that the work uses */
  run<T>(work: Work, arenas: Iterable<number>): Promise<T> {
    const unseen = [...new Set(arenas)].filter((arena) => !this.#seen.has(arena));
    const memories = unseen.map((arena) => ({ arena, memory: this.#arenas[arena].memory }));
    for (const arena of unseen) this.#seen.add(arena);
    return this.#thread.run<T>({ memories, work });
  }

  async end(): Promise<void> {
    await this.#thread.end();
  }
}

/** A place for one thread in the pool. A thread starts when there is work, and again if it has ended. */
class PoolPlace {
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

  /** Ends the thread. Later work starts a new one. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
  }
}

/** A thread pool for lookups and for loading rows: the calling thread and `threads` − 1 workers. */
export class ThreadPool implements AsyncDisposable {
  readonly #arenas: readonly Arena[];
  readonly #members: readonly PoolPlace[];
  /** Whether lookups run while it loads rows: its threads rest most of the time. */
  readonly isPaced: boolean;

  /** @param arenas the caller may add arenas to this list while the pool exists */
  constructor(threads: number, arenas: readonly Arena[], isPaced = false) {
    this.#arenas = arenas;
    this.isPaced = isPaced;
    this.#members = Array.from({ length: threads - 1 }, () => new PoolPlace(arenas));
  }

  get threads(): number {
    return this.#members.length + 1;
  }

  /**
   * Runs answers on all threads: each takes the next one as long as there are some.
   * @throws WORKER_FAILED, after all threads are done
   */
  async answer(shared: readonly SharedAnswers[]): Promise<void> {
    const numbered = shared.map((answers) => ({ ...answers, number: this.#arenas.indexOf(answers.arena) }));
    const running = this.#members.map((member, i) => {
      const answers = numbered.map(({ number, list, scratches }) => {
        return { arena: number, list, scratch: scratches[i + 1] };
      });
      return member.run<undefined>(
        { answers },
        answers.map(({ arena }) => arena),
      );
    });
    for (const { arena, list, scratches } of shared) runAnswers(arena, list, scratches[0]);
    // Waits for every thread even if one has failed: the caller then frees slots that no thread may still use.
    const failed = (await Promise.allSettled(running)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  /**
   * Loads rows into an arena. The next free thread takes the next job, until all are done or one fails.
   * @param stagings addresses of staging buffers, one per thread; empty if rows are not converted
   * @param onLoaded receives the outcome of each job; if it throws, no further jobs begin
   * @throws WORKER_FAILED, errors of the system about the file, and what `onLoaded` throws, after all threads are done
   */
  async load(
    arena: Arena,
    jobs: readonly RowsJob[],
    stagings: readonly number[],
    onLoaded: (loaded: LoadedRows, job: number) => void,
  ): Promise<void> {
    const number = this.#arenas.indexOf(arena);
    const threads = stagings.length > 0 ? stagings.length : this.threads;
    // At least `tasksAhead` jobs per worker: this thread finishes fewer jobs in the time that a worker needs to start.
    const most = Math.min(Math.floor(jobs.length / tasksAhead), Math.max(0, threads - 1));
    const members = this.#members.slice(0, most);
    const lanes = members.flatMap((member, i) => {
      const run = (job: number): Promise<LoadedRows> =>
        member.run<LoadedRows>({ load: jobs[job], arena: number, staging: stagings[i + 1] ?? 0 }, [number]);
      return Array.from({ length: tasksAhead }, () => run);
    });
    const here = async (job: number): Promise<LoadedRows> => {
      // Between two jobs of this thread, the event loop handles the replies of the workers.
      await turn();
      return loadRows(jobs[job], arena, stagings[0] ?? 0);
    };
    await inLanes(jobs.length, [here, ...lanes], onLoaded);
  }

  /**
   * Loads rows that `read` reads into an arena, several jobs at a time. The threads convert and check them.
   * @param stagings addresses of staging buffers for all rows of a job; empty if rows are not converted
   * @param read fills `target` with the rows of a job @param onLoaded as `load`
   * @throws WORKER_FAILED, what `read` and `onLoaded` throw, after all reads have ended
   */
  async loadRead(
    arena: Arena,
    jobs: readonly RowsJob[],
    stagings: readonly number[],
    read: (job: RowsJob, target: Uint8Array, signal: AbortSignal) => Promise<void>,
    onLoaded: (loaded: LoadedRows, job: number) => void,
  ): Promise<void> {
    const number = this.#arenas.indexOf(arena);
    const lanesMax = stagings.length > 0 ? stagings.length : tableRequestsMax;
    const members = jobs.length < tasksAhead ? [] : this.#members;
    const ended = new AbortController();
    const lanes = Array.from({ length: Math.min(jobs.length, lanesMax) }, (_, i) => {
      const staging = stagings[i] ?? 0;
      const member = members[i % Math.max(1, members.length)];
      return async (n: number): Promise<LoadedRows> => {
        const job = jobs[n];
        const into = job.sourceDtype === undefined ? job.out : staging;
        await read(job, arena.bytes.subarray(into, into + job.rows * job.sourceRowBytes), ended.signal);
        if (member === undefined) return loadRows(job, arena, staging);
        return await member.run<LoadedRows>({ load: job, arena: number, staging }, [number]);
      };
    });
    await inLanes(jobs.length, lanes, onLoaded, (error) => ended.abort(error));
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
