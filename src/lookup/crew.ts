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

/** One worker thread with kernels over the arenas; when it dies, what it held fails and the next job starts another. */
class Member {
  #worker: Worker | undefined;
  #seen = new Set<Arena>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #arenas: readonly Arena[];
  #jobs = 0;

  constructor(arenas: readonly Arena[]) {
    this.#arenas = arenas;
  }

  run(calls: readonly KernelCall[]): Promise<readonly number[]> {
    this.#worker ??= this.#start();
    const id = this.#jobs++;
    const unseen = [...new Set(calls.map(({ arena }) => arena))].filter((arena) => !this.#seen.has(arena));
    const job: CrewJob = {
      id,
      memories: unseen.map((arena) => ({ arena: this.#arenas.indexOf(arena), memory: arena.memory })),
      calls: calls.map((call) => ({ ...call, arena: this.#arenas.indexOf(call.arena) })),
    };
    for (const arena of unseen) this.#seen.add(arena);
    this.#worker.postMessage(job);
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #start(): Worker {
    const file = `./crew-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`;
    const worker = new Worker(new URL(file, import.meta.url), { workerData: kernelModule('shared') });
    worker.unref();
    worker.on('message', ({ id, statuses }: CrewReply) => {
      this.#waiting.get(id)?.resolve(statuses);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref();
    });
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => {
      this.#worker = undefined;
      this.#seen = new Set();
      const message = `a worker thread ended (exit code ${code}) with this lookup's work in hand; look it up again`;
      for (const { reject } of this.#waiting.values())
        reject(new FlexemrError('WORKER_FAILED', message, { value: code, cause }));
      this.#waiting.clear();
    });
    return worker;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
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

  /** Runs the calls of each part on a thread of its own. @returns their statuses @throws WORKER_FAILED, after all have ended */
  async run(parts: readonly (readonly KernelCall[])[]): Promise<(readonly number[])[]> {
    const [own, ...others] = parts;
    const running = others.map((calls, i) => this.#members[i].run(calls));
    const statuses = runCalls(
      own.map(({ arena, kernel, address }) => ({ kernels: arena.kernels, kernel, address })),
    );
    const settled = await Promise.allSettled(running);
    return [statuses, ...settled.map(unwrap)];
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }
}

function unwrap(result: PromiseSettledResult<readonly number[]>): readonly number[] {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
