import { callback, check } from '../check.ts';
import { parseCluster } from '../plan/cluster.ts';
import { routingJson } from '../plan/routing-json.ts';
import type { RoutingTable } from '../plan/routing-table.ts';

/** A text that can be polled for changes. Each watcher has its own. */
export interface Polled {
  /** Reads the current text. */
  read(signal: AbortSignal): Promise<string>;
  /** Reads the text. Gives undefined if it has not changed since the last poll that gave it, or cannot be read yet. */
  poll(signal: AbortSignal): Promise<string | undefined>;
}

/** How a text is read. */
export interface Format<T> {
  /** @param name of the text, for messages @throws INVALID_ROUTING */
  parse(text: string, name: string): T;
  /** Two values with the same key are the same. */
  keyOf(value: T): string;
}

export interface PolledSource<T> {
  read(): Promise<T>;
  /** @returns a function that ends the watch */
  watch(onChange: (value: T) => void, onError: (error: Error) => void): () => void;
}

/** A source that polls a text for changes. @param name of the text, for messages */
export function polled<T>(
  name: string,
  everyMs: number,
  open: () => Polled,
  format: Format<T>,
): PolledSource<T> {
  let last: string | undefined;
  return {
    async read() {
      const text = await open().read(new AbortController().signal);
      const value = format.parse(text, name);
      last = format.keyOf(value);
      return value;
    },
    watch(onChange, onError) {
      check(callback(), onChange, 'onChange');
      check(callback(), onError, 'onError');
      const watcher = new Watcher(name, last, open(), format, onChange, onError);
      return watcher.start(everyMs);
    },
  };
}

/** The routing table that rankers use, of a routing table or of a cluster. */
export const routingFormat: Format<RoutingTable> = {
  parse: (text, name) => parseCluster(text, name).serving.routing,
  keyOf: routingJson,
};

class Watcher<T> {
  readonly #name: string;
  readonly #polled: Polled;
  readonly #format: Format<T>;
  readonly #onChange: (value: T) => void;
  readonly #onError: (error: Error) => void;
  readonly #ended = new AbortController();
  /** The key of the value in use. */
  #key: string | undefined;
  /** The last text read, which may be invalid. */
  #seen: string | undefined;
  /** The message of the last error if the text cannot be read, else empty. */
  #lastError = '';

  constructor(
    name: string,
    key: string | undefined,
    polled: Polled,
    format: Format<T>,
    onChange: (value: T) => void,
    onError: (error: Error) => void,
  ) {
    this.#name = name;
    this.#key = key;
    this.#polled = polled;
    this.#format = format;
    this.#onChange = onChange;
    this.#onError = onError;
  }

  start(everyMs: number): () => void {
    const { signal } = this.#ended;
    const again = async (): Promise<void> => {
      await this.#look();
      if (!signal.aborted) timer = later(again, everyMs);
    };
    let timer = later(again, everyMs);
    return () => {
      this.#ended.abort();
      clearTimeout(timer);
    };
  }

  async #look(): Promise<void> {
    const { signal } = this.#ended;
    const text = await this.#polled.poll(signal).catch((error: Error) => {
      // The same error is not reported twice in a row.
      if (!signal.aborted && error.message !== this.#lastError) this.#onError(error);
      return error;
    });
    this.#lastError = text instanceof Error ? text.message : '';
    if (signal.aborted || text instanceof Error || text === undefined || text === this.#seen) return;
    this.#seen = text;
    try {
      const value = this.#format.parse(text, this.#name);
      const key = this.#format.keyOf(value);
      if (key === this.#key) return;
      this.#key = key;
      this.#onChange(value);
    } catch (error) {
      this.#onError(error as Error);
    }
  }
}

/** A timer that does not keep the process alive. */
function later(work: () => Promise<void>, ms: number): NodeJS.Timeout {
  return setTimeout(work, ms).unref();
}
