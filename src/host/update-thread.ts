import { FlexemrError } from '../errors.ts';
import { drainMsMax, workerRestartMsMin } from '../limits.ts';
import type { Log } from '../log.ts';
import { emptyUpdates, type NodeUpdatesStats, type UpdatesHosting } from '../memory-node/node-updates.ts';
import { clearWriter, type GateMemory } from '../memory-node/write-gate.ts';
import { updateAwayMsMax, updateCheckMs } from '../update-limits.ts';
import type { RowsFollower } from './rows-follower.ts';

/** A thread that writes row updates. Calls do not end if it dies. */
export interface RunningUpdates extends RowsFollower {
  /** Resolves once it has ended, with the cause. */
  readonly ended: Promise<unknown>;
  /** Ends it at once. */
  terminate(): Promise<unknown>;
}

export interface UpdateThreadOptions {
  /** Starts a thread. */
  readonly start: () => RunningUpdates;
  readonly gate: GateMemory;
  readonly log?: Log | undefined;
}

/** Starts the thread that writes row updates, and replaces it when it dies. */
export class UpdateThread implements RowsFollower {
  readonly #options: UpdateThreadOptions;
  #running: RunningUpdates | undefined;
  /** Ends with the current thread, after what it leaves behind has been put right. */
  #over: Promise<void> = Promise.resolve();
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
    await this.#call(this.#running, (running) => running.host(hosting));
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
  async #catchUp(running: RunningUpdates | undefined): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const later = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), updateCheckMs);
    });
    const caughtUp = async (thread: RunningUpdates): Promise<true> => {
      await thread.caughtUp();
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
    const stats = running && (await this.#call(running, (thread) => thread.stats()));
    if (stats !== undefined && running === this.#running) this.#seen = stats;
    return sumOf(this.#ended, this.#seen);
  }

  /** @returns undefined if the thread dies meanwhile */
  async #call<T>(
    running: RunningUpdates,
    call: (running: RunningUpdates) => Promise<T>,
  ): Promise<T | undefined> {
    return await Promise.race([call(running), this.#over.then(() => undefined)]);
  }

  #start(): RunningUpdates {
    const running = this.#options.start();
    this.#over = running.ended.then((cause) => this.#died(cause));
    return running;
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
    const over = this.#over;
    await this.#running?.terminate();
    await over;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const running = this.#running;
    if (running === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, drainMsMax);
    });
    await Promise.race([this.#call(running, (thread) => thread.close()), late]).catch(() => {});
    clearTimeout(timer);
    await running.terminate();
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
