import { callback, check } from '../check.ts';
import { parseRouting } from '../plan/routing-json.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';

/** Something whose text can be looked at again and again. Each watcher has one of its own. */
export interface Polled {
  /** The text as it is. */
  read(signal: AbortSignal): Promise<string>;
  /** The text, or undefined where it is as it was when this last gave it, or is not yet to be read. */
  poll(signal: AbortSignal): Promise<string | undefined>;
}

/** Routing in a text that has to be looked at to see that it changed. @param name of the text, for messages */
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
  /** The text of the routing table in use, and the last one seen, be it sound or not. */
  #good: string | undefined;
  #seen: string | undefined;
  /** Why the text cannot be had. */
  #trouble = '';

  constructor(
    name: string,
    text: string | undefined,
    polled: Polled,
    onChange: (routing: RoutingTable) => void,
    onError: (error: Error) => void,
  ) {
    this.#name = name;
    this.#good = text;
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
      // Looking again at the same trouble is no news.
      if (!signal.aborted && error.message !== this.#trouble) this.#onError(error);
      return error;
    });
    this.#trouble = text instanceof Error ? text.message : '';
    if (signal.aborted || text instanceof Error || text === undefined || text === this.#seen) return;
    this.#seen = text;
    if (text === this.#good) return;
    try {
      const routing = parseRouting(text, this.#name);
      this.#good = text;
      this.#onChange(routing);
    } catch (error) {
      this.#onError(error as Error);
    }
  }
}

/** Watching alone does not keep a process alive. */
function later(work: () => Promise<void>, ms: number): NodeJS.Timeout {
  return setTimeout(work, ms).unref();
}
