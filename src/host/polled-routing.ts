import { callback, check } from '../check.ts';
import { parseRouting } from '../plan/routing-json.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';

/** A text that can be polled for changes. Each watcher has its own. */
export interface Polled {
  /** Reads the current text. */
  read(signal: AbortSignal): Promise<string>;
  /** Reads the text. Gives undefined if it has not changed since the last poll that gave it, or cannot be read yet. */
  poll(signal: AbortSignal): Promise<string | undefined>;
}

/** A routing source that polls a text for changes. @param name of the text, for messages */
export function polledRouting(name: string, everyMs: number, open: () => Polled): RoutingSource {
  let last: string | undefined;
  return {
    async read() {
      const text = await open().read(new AbortController().signal);
      const routing = parseRouting(text, name);
      last = text;
      return routing;
    },
    watch(onChange, onError) {
      check(callback(), onChange, 'onChange');
      check(callback(), onError, 'onError');
      const watcher = new Watcher(name, last, open(), onChange, onError);
      return watcher.start(everyMs);
    },
  };
}

class Watcher {
  readonly #name: string;
  readonly #polled: Polled;
  readonly #onChange: (routing: RoutingTable) => void;
  readonly #onError: (error: Error) => void;
  readonly #ended = new AbortController();
  /** The text of the routing table in use. */
  #validText: string | undefined;
  /** The last text read, which may be invalid. */
  #seen: string | undefined;
  /** The message of the last error if the text cannot be read, else empty. */
  #lastError = '';

  constructor(
    name: string,
    text: string | undefined,
    polled: Polled,
    onChange: (routing: RoutingTable) => void,
    onError: (error: Error) => void,
  ) {
    this.#name = name;
    this.#validText = text;
    this.#seen = text;
    this.#polled = polled;
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
    if (text === this.#validText) return;
    try {
      const routing = parseRouting(text, this.#name);
      this.#validText = text;
      this.#onChange(routing);
    } catch (error) {
      this.#onError(error as Error);
    }
  }
}

/** A timer that does not keep the process alive. */
function later(work: () => Promise<void>, ms: number): NodeJS.Timeout {
  return setTimeout(work, ms).unref();
}
