import type { RoutingSource } from './routing-source.ts';
import type { RoutingTable } from './routing-table.ts';

/**
 * The routing table of a source, for somebody who hears of its changes, and also reads it when nodes say that theirs is newer. Both come
 * in one order: what a watch sees while the table is read waits for the read. If it is read, a new watch compares with that: the
 * old one may have seen a newer table than the one that is read, and would not tell of an older one that comes back. If it
 * cannot be read, the old watch goes on, because a new one would compare with a table that was read before it.
 */
export class FollowedRouting {
  readonly #source: RoutingSource;
  readonly #onChange: (routing: RoutingTable) => void;
  readonly #onError: (error: Error) => void;
  #unwatch: () => void = () => {};
  #reading: Promise<void> | undefined;
  #isWaiting = false;
  /** The last table that the watch saw while the table is read. */
  #seen: RoutingTable | undefined;
  #closed = false;

  /** Begins to watch a source that has just been read. @param onChange also hears of what is read */
  constructor(
    source: RoutingSource,
    onChange: (routing: RoutingTable) => void,
    onError: (error: Error) => void,
  ) {
    this.#source = source;
    this.#onChange = onChange;
    this.#onError = onError;
    this.#watch();
  }

  #watch(): void {
    if (this.#closed) return;
    this.#unwatch = this.#source.watch((routing) => {
      if (this.#isWaiting) this.#seen = routing;
      else this.#onChange(routing);
    }, this.#onError);
  }

  /** Reads it, once for all who wait for it. @throws as RoutingSource.read */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    // If all who wait for it give up before it fails, nobody else handles the rejection.
    this.#reading.catch(() => {});
    return this.#reading;
  }

  async #read(): Promise<void> {
    this.#isWaiting = true;
    try {
      const routing = await this.#source.read();
      this.#unwatch();
      this.#seen = undefined;
      if (!this.#closed) this.#onChange(routing);
      this.#watch();
    } finally {
      this.#isWaiting = false;
      const seen = this.#seen;
      this.#seen = undefined;
      if (seen !== undefined && !this.#closed) this.#onChange(seen);
    }
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
  }
}
