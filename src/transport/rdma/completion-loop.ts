import type * as Verbs from 'ibverbs-node';
import { completionsAtOnce, spinUs } from './settings.ts';

/** What becomes of completions, and when all that are there have been seen. */
export interface CompletionHandler {
  /** One completion: words [at, at + COMPLETION_WORDS) of `completions`. */
  complete(completions: Uint32Array, at: number): void;
  /** After each pass: what was gathered in it may leave together. */
  passed(): void;
}

/**
 * Polls a completion queue between turns of the event loop for as long as something comes, and for a moment longer;
 * then the card is armed to wake the thread, so that who waits costs no CPU.
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

  /** Completions are being handled just now: `passed` will come. */
  get passing(): boolean {
    return this.#passing;
  }

  /** Something is under way: polls from the next turn on. */
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
      // What came before it was armed wakes nobody.
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

  /** Polls no more. */
  close(): void {
    this.#closed = true;
  }
}
