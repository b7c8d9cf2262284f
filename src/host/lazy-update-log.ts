import type { LoggedBatch, UpdateLog } from '../updates/update-log.ts';
import { openUpdateLog, type UpdateLogChoice } from './open-update-log.ts';

/** A log that is opened when it is needed, and again if that fails: a node starts while its log is away. */
export class LazyUpdateLog implements UpdateLog {
  readonly #choice: UpdateLogChoice;
  readonly #listeners = new Set<(chain?: string) => void>();
  #opened: Promise<UpdateLog> | undefined;

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
      log.listen((chain) => {
        for (const listener of this.#listeners) listener(chain);
      });
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

  async append(chain: string, batch: Uint8Array, after: number): Promise<void> {
    await (await this.#log()).append(chain, batch, after);
  }

  listen(onChange: (chain?: string) => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close();
  }
}
