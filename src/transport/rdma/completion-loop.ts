import type * as Verbs from 'ibverbs-node';
import { completionsAtOnce, spinUs } from './settings.ts';

/** Handles the completions that a `CompletionLoop` finds. */
export interface CompletionHandler {
  /** Handles one completion: words [at, at + COMPLETION_WORDS) of `completions`. */
  complete(completions: Uint32Array, at: number): void;
  /** Called after each pass that found completions. What was gathered during the pass can now be posted together. */
  passed(): void;
}

/**
 * Polls a completion queue between turns of the event loop while completions come, and for a moment longer. Then it
 * arms the queue, so that the card wakes the thread at the next completion. Waiting thus costs no CPU.
 */
export class CompletionLoop {
  readonly #queue: Verbs.CompletionQueue;
  readonly #handler: CompletionHandler;
  readonly #completions: Uint32Array;
  readonly #words: number;
  #spinning = false;
  #closed = false;
  #passing = false;
  #busyUntil = 0;

  constructor(
    verbs: typeof Verbs,
    queue: Verbs.CompletionQueue,
    channel: Verbs.CompletionChannel,
    handler: CompletionHandler,
  ) {
    this.#queue = queue;
    this.#handler = handler;
    this.#words = verbs.COMPLETION_WORDS;
    this.#completions = new Uint32Array(completionsAtOnce * this.#words);
    channel.onEvent(() => this.wake());
    queue.arm();
  }

  /** Whether a pass is running, so that `passed` will be called at its end. */
  get passing(): boolean {
    return this.#passing;
  }

  /** Something is in flight. Starts to poll at the next turn. */
  wake(): void {
    this.#busyUntil = performance.now() + spinUs / 1000;
    if (this.#spinning || this.#closed) return;
    this.#spinning = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    if (this.#closed) return;
    if (this.#pass() > 0) this.#busyUntil = performance.now() + spinUs / 1000;
    else if (performance.now() > this.#busyUntil) {
      this.#queue.arm();
      // Completions that came before the queue was armed do not wake the thread.
      if (this.#pass() === 0) {
        this.#spinning = false;
        return;
      }
    }
    setImmediate(this.#turn);
  };

  #pass(): number {
    const count = this.#queue.poll(this.#completions);
    if (count === 0) return 0;
    this.#passing = true;
    for (let i = 0; i < count && !this.#closed; i++)
      this.#handler.complete(this.#completions, i * this.#words);
    this.#passing = false;
    this.#handler.passed();
    return count;
  }

  /** Stops polling. */
  close(): void {
    this.#closed = true;
  }
}
