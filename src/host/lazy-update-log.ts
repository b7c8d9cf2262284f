import type { LoggedBatch, UpdateLog } from '../updates/update-log.ts';
import { openUpdateLog, type UpdateLogChoice } from './open-update-log.ts';

type OnAdded = Parameters<UpdateLog['listen']>[1];

/** Who listens to a chain, perhaps before the log is open. */
class Listener {
  readonly #chain: string;
  readonly #onAdded: OnAdded;
  #stop: (() => void) | undefined;

  constructor(chain: string, onAdded: OnAdded) {
    this.#chain = chain;
    this.#onAdded = onAdded;
  }

  listen(log: UpdateLog): void {
    this.#stop = log.listen(this.#chain, this.#onAdded);
  }

  stop(): void {
    this.#stop?.();
  }
}

/** A log that is opened when it is needed, and again if that fails: a node starts while its log is away. */
export class LazyUpdateLog implements UpdateLog {
  readonly #choice: UpdateLogChoice;
  readonly #listeners = new Set<Listener>();
  #opened: Promise<UpdateLog> | undefined;
  /** The log, once it is open. */
  #now: UpdateLog | undefined;

  constructor(choice: UpdateLogChoice) {
    this.#choice = choice;
  }

  async #log(): Promise<UpdateLog> {
    this.#opened ??= this.#open();
    return await this.#opened;
  }

  async #open(): Promise<UpdateLog> {
    try {
      const log = await openUpdateLog(this.#choice);
      this.#now = log;
      for (const listener of this.#listeners) listener.listen(log);
      return log;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  async incarnation(): Promise<number> {
    return await (await this.#log()).incarnation();
  }

  async next(chain: string, after: number): Promise<LoggedBatch | undefined> {
    return await (await this.#log()).next(chain, after);
  }

  async last(chain: string): Promise<LoggedBatch | undefined> {
    return await (await this.#log()).last(chain);
  }

  async append(chain: string, batch: Uint8Array, after: number): Promise<number | undefined> {
    return await (await this.#log()).append(chain, batch, after);
  }

  listen(chain: string, onAdded: OnAdded): () => void {
    const listener = new Listener(chain, onAdded);
    this.#listeners.add(listener);
    if (this.#now !== undefined) listener.listen(this.#now);
    return () => {
      this.#listeners.delete(listener);
      listener.stop();
    };
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close();
  }
}
