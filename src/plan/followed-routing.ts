import type { RoutingSource } from './routing-source.ts';
import type { RoutingTable } from './routing-table.ts';

/**
 * The routing table of a source, for somebody who hears of its changes, and also reads it when nodes say that theirs is newer. Both come
 * in one order: while it is read nobody watches, because a watch may have seen a newer table than the one that is read, and would
 * not tell of an older one that comes back.
 */
export class FollowedRouting {
  readonly #source: RoutingSource;
  readonly #onChange: (routing: RoutingTable) => void;
  readonly #onError: (error: Error) => void;
  #unwatch: () => void = () => {};
  #reading: Promise<void> | undefined;
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
    if (!this.#closed) this.#unwatch = this.#source.watch(this.#onChange, this.#onError);
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
    this.#unwatch();
    try {
      const routing = await this.#source.read();
      if (!this.#closed) this.#onChange(routing);
    } finally {
      this.#watch();
    }
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
  }
}
