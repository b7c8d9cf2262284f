import type * as Verbs from 'ibverbs-node';

/** Receives of one queue pair, each for one frame that will tell of itself: posted together, as slots become free. */
export class ReceiveBatch {
  readonly #queuePair: Verbs.QueuePair;
  readonly #words: Uint32Array;
  readonly #stride: number;
  #count = 0;

  /** @param id of their completions, low and high word @param most that wait to be posted */
  constructor(
    { RECEIVE_WORDS }: Pick<typeof Verbs, 'RECEIVE_WORDS'>,
    queuePair: Verbs.QueuePair,
    [low, high]: readonly [low: number, high: number],
    most: number,
  ) {
    this.#queuePair = queuePair;
    this.#stride = RECEIVE_WORDS;
    // All of them are alike, and nothing comes with them but what was written elsewhere.
    this.#words = new Uint32Array(most * RECEIVE_WORDS);
    for (let at = 0; at < this.#words.length; at += this.#stride) this.#words.set([low, high], at);
  }

  /** Adds some, to be posted by `flush`. */
  add(count = 1): void {
    this.#count += count;
  }

  /** @throws IbverbsError */
  flush(): void {
    if (this.#count === 0) return;
    this.#queuePair.postReceives(this.#words, this.#count);
    this.#count = 0;
  }
}
