// Measures the time of lookups of one bag, alone and beside large lookups.
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus, platform } from 'node:os';
import { join } from 'node:path';
import type { KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { Calm } from './calm.ts';

/** A memory node in its own process. */
export class LatencyNode implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;

  /** @param sliceBytes bytes of a slice; Infinity disables slices */
  static async start(tables: string, plan: string, node: string, sliceBytes?: number): Promise<LatencyNode> {
    const options = sliceBytes === undefined ? [] : [String(sliceBytes)];
    const child = fork(join(import.meta.dirname, 'latency-node.ts'), [tables, plan, node, ...options], {
      execArgv: [],
    });
    const said = once(child, 'message');
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the memory node ended with ${code} before it was ready`);
    });
    const [{ url }] = await Promise.race([said, ended]);
    ended.catch(() => {});
    bind(process.pid, 0);
    bind(child.pid, 1);
    return new LatencyNode(url, child);
  }

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

/**
 * Binds all threads of a process to one processor. After a pause, Linux lets a ranker and its node share one for a
 * while, and a lookup then waits for its turn of a thread, whatever the node does.
 */
function bind(pid: number | undefined, processor: number): void {
  if (platform() !== 'linux' || pid === undefined || cpus().length < 2) return;
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', `${processor}`, `${pid}`], {
    stdio: 'ignore',
  });
}

export interface Latencies {
  readonly p50: number;
  readonly p99: number;
}

export interface Beside {
  /** In ms: medians over rounds. Each round measures `alone` and then `beside`. */
  readonly alone: Latencies;
  readonly beside: Latencies;
  /** The ratio of the p99s. */
  readonly ratio: number;
  /** Large lookups per second during `beside`. */
  readonly bulkPerSecond: number;
}

export interface Rounds {
  readonly rounds: number;
  /** Lookups of one bag in each half of a round. */
  readonly lookups: number;
  /** Each round begins when the machine is idle. */
  readonly calm: Calm;
}

/** Looks up single bags one after the other: first alone, then beside large lookups. */
export async function compare(
  ranker: Ranker,
  singles: readonly KeyedBags[],
  bulks: readonly KeyedBags[],
  { rounds, lookups, calm }: Rounds,
): Promise<Beside> {
  const [alone, beside]: [Latencies[], Latencies[]] = [[], []];
  let [bulk, bulkMs] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    await calm.wait();
    alone.push(await single(ranker, singles, lookups));
    const stream = new BulkStream(ranker, bulks);
    const started = performance.now();
    beside.push(await single(ranker, singles, lookups));
    bulk += await stream.end();
    bulkMs += performance.now() - started;
  }
  const [a, b] = [medians(alone), medians(beside)];
  return { alone: a, beside: b, ratio: b.p99 / a.p99, bulkPerSecond: (bulk / bulkMs) * 1000 };
}

async function single(ranker: Ranker, bags: readonly KeyedBags[], lookups: number): Promise<Latencies> {
  const ms = new Float64Array(lookups);
  for (let i = 0; i < lookups; i++) {
    const started = performance.now();
    using _ = await ranker.lookup(bags[i % bags.length]);
    ms[i] = performance.now() - started;
  }
  ms.sort();
  return { p50: ms[lookups >> 1], p99: ms[Math.floor(lookups * 0.99)] };
}

function medians(all: readonly Latencies[]): Latencies {
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1];
  return { p50: median(all.map(({ p50 }) => p50)), p99: median(all.map(({ p99 }) => p99)) };
}

/** Sends large lookups, one at a time. */
class BulkStream {
  #done = 0;
  #ending = false;
  readonly #ended: Promise<void>;

  constructor(ranker: Ranker, bags: readonly KeyedBags[]) {
    this.#ended = this.#run(ranker, bags);
  }

  async #run(ranker: Ranker, bags: readonly KeyedBags[]): Promise<void> {
    while (!this.#ending) {
      // Frees the memory of results at once. Else garbage collection of megabytes would disturb the measurement.
      using _ = await ranker.lookup(bags[this.#done % bags.length]);
      this.#done++;
    }
  }

  /** @returns the number of lookups */
  async end(): Promise<number> {
    this.#ending = true;
    await this.#ended;
    return this.#done;
  }
}
