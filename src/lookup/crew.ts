import { Worker } from 'node:worker_threads';
import { FlexemrError } from '../errors.ts';
import { kernelModule } from '../kernel/files.ts';
import type { Arena } from '../store/arena.ts';
import { runCalls } from './run.ts';
import type { KernelCall } from './segment.ts';

/** What a worker is told: memories it has not seen, and the calls of its part, as [arena, kernel, address]. */
export interface CrewJob {
  readonly id: number;
  readonly memories: readonly { readonly arena: number; readonly memory: WebAssembly.Memory }[];
  readonly calls: readonly {
    readonly arena: number;
    readonly kernel: 'pool' | 'gather';
    readonly address: number;
  }[];
}

/** What it answers: the status of each call. */
export interface CrewReply {
  readonly id: number;
  readonly statuses: readonly number[];
}

interface Waiting {
  readonly resolve: (statuses: readonly number[]) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread with kernels over the arenas it has seen, and the jobs it holds. */
class Thread {
  readonly #worker: Worker;
  readonly #arenas: readonly Arena[];
  readonly #seen = new Set<Arena>();
  readonly #waiting = new Map<number, Waiting>();
  #jobs = 0;

  /** @param onExit called when the worker has ended and what it held has failed */
  constructor(arenas: readonly Arena[], onExit: () => void) {
    const file = `./crew-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`;
    this.#arenas = arenas;
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: kernelModule('shared') });
    this.#worker.unref();
    this.#worker.on('message', (reply: CrewReply) => this.#settle(reply));
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#worker.on('exit', (code) => {
      onExit();
      const message = `a worker thread ended (exit code ${code}) with this lookup's work in hand; look it up again`;
      const error = new FlexemrError('WORKER_FAILED', message, { value: code, cause });
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  run(calls: readonly KernelCall[]): Promise<readonly number[]> {
    const id = this.#jobs++;
    const unseen = [...new Set(calls.map(({ arena }) => arena))].filter((arena) => !this.#seen.has(arena));
    const job: CrewJob = {
      id,
      memories: unseen.map((arena) => ({ arena: this.#arenas.indexOf(arena), memory: arena.memory })),
      calls: calls.map((call) => ({ ...call, arena: this.#arenas.indexOf(call.arena) })),
    };
    for (const arena of unseen) this.#seen.add(arena);
    this.#worker.postMessage(job);
    // Only a worker with work keeps the process alive.
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #settle({ id, statuses }: CrewReply): void {
    this.#waiting.get(id)?.resolve(statuses);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A place in the crew: a thread, started when there is work, and another after it has ended. */
class Member {
  readonly #arenas: readonly Arena[];
  #thread: Thread | undefined;

  constructor(arenas: readonly Arena[]) {
    this.#arenas = arenas;
  }

  run(calls: readonly KernelCall[]): Promise<readonly number[]> {
    this.#thread ??= this.#start();
    return this.#thread.run(calls);
  }

  #start(): Thread {
    const thread = new Thread(this.#arenas, () => {
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

/** Threads that share the work of each lookup: the calling thread and `threads` − 1 workers. */
export class Crew {
  readonly #members: readonly Member[];

  /** @param arenas may gain arenas while the crew lives */
  constructor(threads: number, arenas: readonly Arena[]) {
    this.#members = Array.from({ length: threads - 1 }, () => new Member(arenas));
  }

  get threads(): number {
    return this.#members.length + 1;
  }

  /** Runs each part's calls on a thread of its own. @returns their statuses @throws WORKER_FAILED, after all have ended */
  async run(parts: readonly (readonly KernelCall[])[]): Promise<(readonly number[])[]> {
    const [own, ...others] = parts;
    const running = others.map((calls, i) => this.#members[i].run(calls));
    const ownCalls = own.map(({ arena, kernel, address }) => ({ kernels: arena.kernels, kernel, address }));
    const ownStatuses = await Promise.allSettled([
      new Promise<readonly number[]>((resolve) => resolve(runCalls(ownCalls))),
    ]);
    // Whatever fails, the slots are not given back before every thread has let go of them.
    const settled = await Promise.allSettled(running);
    return [...ownStatuses, ...settled].map(unwrap);
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }
}

function unwrap(result: PromiseSettledResult<readonly number[]>): readonly number[] {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
