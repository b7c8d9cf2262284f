import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FlexemrError } from '../errors.ts';
import { packageFile } from '../kernel/files.ts';
import { drainMsMax, workerRestartMsMin } from '../limits.ts';
import type { Log } from '../log.ts';
import {
  emptyUpdates,
  type NodeUpdatesStats,
  type Reload,
  type UpdatesHosting,
} from '../memory-node/node-updates.ts';
import { clearWriter } from '../memory-node/write-gate.ts';
import { updateAwayMsMax, updateCheckMs } from '../update-limits.ts';
import { startWorker } from './start-worker.ts';
import type { ReloadRequest, Said, UpdateControl, UpdateThreadData } from './update-control.ts';
import { outcomeOf, resultOf } from './worker-control.ts';

export interface UpdateThreadOptions extends UpdateThreadData {
  readonly reload: Reload;
  readonly log?: Log | undefined;
}

/** A thread, and how to talk to it. */
interface Running {
  readonly worker: Worker;
  readonly control: Comlink.Remote<UpdateControl>;
  readonly ended: Promise<unknown>;
}

/** Starts the thread that writes row updates, and replaces it when it dies. */
export class UpdateThread {
  readonly #options: UpdateThreadOptions;
  #running: Running | undefined;
  #hosting: UpdatesHosting | undefined;
  /** What threads before the current one had counted, and this one when it was last seen. */
  #ended = emptyUpdates;
  #seen = emptyUpdates;
  #closed = false;

  constructor(options: UpdateThreadOptions) {
    this.#options = options;
  }

  /** Writes to these shards from now on, and to no others. The thread is started with the first of them. */
  async host(hosting: UpdatesHosting): Promise<void> {
    this.#hosting = hosting;
    if (hosting.shards.length === 0 && this.#running === undefined) return;
    this.#running ??= this.#start();
    await this.#call(this.#running, async (control) => resultOf(await control.host(hosting)));
  }

  /**
   * Waits until all shards have what the log had when they came.
   * @throws UNAVAILABLE if the log is away for too long, CONFLICT if it does not have all batches any more
   */
  async caughtUp(): Promise<void> {
    let awayMs = 0;
    while (!this.#closed && (this.#hosting?.shards.length ?? 0) > 0) {
      if (await this.#catchUp(this.#running)) return;
      awayMs = (await this.stats()).isAway ? awayMs + updateCheckMs : 0;
      if (awayMs >= updateAwayMsMax) throw away(awayMs);
    }
  }

  /** Waits for a thread, for a while. If it dies, the next one has to catch up, too. @returns whether it has */
  async #catchUp(running: Running | undefined): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const later = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), updateCheckMs);
    });
    const caughtUp = async (control: Running['control']): Promise<true> => {
      resultOf(await control.caughtUp());
      return true;
    };
    try {
      const done = running && (await Promise.race([this.#call(running, caughtUp), later]));
      return done ?? (await later);
    } finally {
      clearTimeout(timer);
    }
  }

  async stats(): Promise<NodeUpdatesStats> {
    const running = this.#running;
    const stats = running && (await this.#call(running, (control) => control.stats()));
    if (stats !== undefined && running === this.#running) this.#seen = stats;
    return sumOf(this.#ended, this.#seen);
  }

  /** @returns undefined if the thread dies meanwhile */
  async #call<T>(
    { control, ended }: Running,
    call: (control: Comlink.Remote<UpdateControl>) => Promise<T>,
  ): Promise<T | undefined> {
    return await Promise.race([call(control), ended.then(() => undefined)]);
  }

  #start(): Running {
    const { choice, gate, log } = this.#options;
    const data: UpdateThreadData = { choice, gate };
    const worker = startWorker(packageFile('./update-worker', import.meta.url), 'workers', data);
    worker.on('message', (message: Partial<Said & ReloadRequest>) => {
      if (message.said !== undefined && message.level !== undefined)
        log?.[message.level](message.what ?? {}, message.said);
      if (message.reload !== undefined) void this.#reload(message as ReloadRequest);
    });
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    const ended = once(worker, 'exit').then(() => this.#died(cause));
    return { worker, control: Comlink.wrap<UpdateControl>(nodeEndpoint(worker)), ended };
  }

  async #reload({ reload, outcomeTo }: ReloadRequest): Promise<void> {
    outcomeTo.postMessage(await outcomeOf(() => this.#options.reload(reload)));
    outcomeTo.close();
  }

  /** Workers go on at once. A shard that was being written says so itself, and the next thread reads it again. */
  #died(cause: unknown): void {
    clearWriter(this.#options.gate);
    this.#running = undefined;
    this.#ended = sumOf(this.#ended, this.#seen);
    this.#seen = emptyUpdates;
    if (this.#closed) return;
    this.#options.log?.warn({ err: cause }, 'the thread that writes row updates died; starting another');
    setTimeout(() => this.#restart(), workerRestartMsMin).unref();
  }

  #restart(): void {
    if (this.#closed || this.#running !== undefined || this.#hosting === undefined) return;
    this.host(this.#hosting).catch((error: Error) => {
      this.#options.log?.warn({ err: error }, 'the thread that writes row updates could not be started');
      setTimeout(() => this.#restart(), workerRestartMsMin).unref();
    });
  }

  /** Ends the thread at once, as if it had crashed. */
  async kill(): Promise<void> {
    await this.#running?.worker.terminate();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const running = this.#running;
    if (running === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, drainMsMax);
    });
    await Promise.race([this.#call(running, (control) => control.close()), late]).catch(() => {});
    clearTimeout(timer);
    await running.worker.terminate();
  }
}

function sumOf(one: NodeUpdatesStats, other: NodeUpdatesStats): NodeUpdatesStats {
  return {
    applied: one.applied + other.applied,
    skipped: one.skipped + other.skipped,
    refused: one.refused + other.refused,
    reloads: one.reloads + other.reloads,
    gateUs: one.gateUs + other.gateUs,
    madeAt: Math.max(one.madeAt, other.madeAt),
    isAway: other.isAway,
  };
}

function away(ms: number): FlexemrError {
  const message = `the log of row updates has not answered for ${ms} ms, so it is not known whether the rows have all updates`;
  return new FlexemrError('UNAVAILABLE', message, { field: 'updates' });
}
