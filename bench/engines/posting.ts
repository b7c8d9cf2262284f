// Threads that post, each through queue pairs of its own, in one of two layouts.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Context, MemoryRegion, ProtectionDomain, Token } from 'ibverbs-node';

/**
 * `own`: each thread has its own thread domain, so its completion queue, its queue pairs and its doorbell are its own.
 * `shared`: the same without a thread domain, so the provider spreads the queue pairs over its shared doorbells.
 */
export type Layout = 'own' | 'shared';

/**
 * Words of the memory that main thread and posting threads share. After `bytes`, each thread has `results` numbers per burst:
 * its rate and its part of a processor.
 */
export const control = {
  ...{ round: 0, ready: 1, awake: 2, ended: 3, posts: 4, bursts: 5 },
  ...{ bytes: 24, results: 2 },
} as const;
const burstsMax = 64;

/** What a posting thread gets. */
export interface PostingTask {
  readonly layout: Layout;
  readonly queuePairs: number;
  readonly seed: number;
  /** Of the near and the far device. */
  readonly contexts: readonly Token[];
  readonly domains: readonly Token[];
  readonly memory: number;
  readonly regions: { readonly lkey: number; readonly rkey: number };
  readonly shared: Int32Array;
  /** The number of this thread. */
  readonly at: number;
  /** Of how many. */
  readonly threads: number;
}

/** The two devices, and memory that is registered at both. */
export interface Devices {
  readonly contexts: readonly Context[];
  readonly domains: readonly ProtectionDomain[];
  readonly near: MemoryRegion;
  readonly far: MemoryRegion;
}

/** Sums over all threads, of one burst. */
export interface Sample {
  /** WRITEs per second. */
  readonly rate: number;
  /** How many processors the threads had. Other programs had the rest. */
  readonly cpus: number;
}

/** Threads of one layout. Between samples they wait without polling. */
export class PostingThreads implements AsyncDisposable {
  readonly #workers: readonly Worker[];
  readonly #failed: Promise<never>;
  readonly #shared: Int32Array;
  readonly #results: Float64Array;
  #round = 0;

  /** Starts threads one after another, because the provider hands out doorbells in the order of creation. */
  static async start(
    devices: Devices,
    layout: Layout,
    threads: number,
    queuePairs: number,
  ): Promise<PostingThreads> {
    const buffer = new SharedArrayBuffer(control.bytes + burstsMax * threads * control.results * 8);
    const shared = new Int32Array(buffer, 0, control.bytes / 4);
    const workers: Worker[] = [];
    const { near, far } = devices;
    for (let at = 0; at < threads; at++) {
      const workerData: PostingTask = {
        ...{ layout, queuePairs, shared, at, threads, seed: (0x9e3779b9 * (at + 1)) | 0 },
        contexts: devices.contexts.map(({ token }) => token),
        domains: devices.domains.map(({ token }) => token),
        memory: Number(near.address),
        regions: { lkey: near.lkey, rkey: far.rkey },
      };
      workers.push(new Worker(new URL('posting-thread.ts', import.meta.url), { workerData }));
      const failed = once(workers[at], 'error').then(([error]) => Promise.reject(error));
      failed.catch(() => undefined);
      await Promise.race([failed, reached(shared, control.ready, at + 1)]);
    }
    return new PostingThreads(workers, shared, new Float64Array(buffer, control.bytes));
  }

  private constructor(workers: readonly Worker[], shared: Int32Array, results: Float64Array) {
    this.#workers = workers;
    this.#shared = shared;
    this.#results = results;
    this.#failed = Promise.race(
      workers.map((worker) => once(worker, 'error').then(([error]) => Promise.reject(error))),
    );
    this.#failed.catch(() => undefined);
  }

  /** In each burst, all threads post at the same time, until the first has posted `posts` WRITEs. At most 64 bursts. */
  async sample(bursts: number, posts: number): Promise<Sample[]> {
    const shared = this.#shared;
    for (const word of [control.ready, control.awake, control.ended]) Atomics.store(shared, word, 0);
    Atomics.store(shared, control.posts, posts);
    Atomics.store(shared, control.bursts, bursts);
    Atomics.store(shared, control.round, ++this.#round);
    Atomics.notify(shared, control.round);
    await Promise.race([this.#failed, reached(shared, control.ready, this.#workers.length)]);
    const words = this.#workers.length * control.results;
    return Array.from({ length: bursts }, (_, burst) => {
      const sums = { rate: 0, cpus: 0 };
      for (let at = burst * words; at < (burst + 1) * words; at += control.results) {
        sums.rate += this.#results[at];
        sums.cpus += this.#results[at + 1];
      }
      return sums;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#workers.map((worker) => once(worker, 'exit'));
    Atomics.store(this.#shared, control.round, -1);
    Atomics.notify(this.#shared, control.round);
    await Promise.all(ended);
  }
}

/** Resolves when a word of shared memory has this value. */
async function reached(words: Int32Array, at: number, value: number): Promise<void> {
  for (;;) {
    const now = Atomics.load(words, at);
    if (now >= value) return;
    await Atomics.waitAsync(words, at, now, 60_000).value;
  }
}
