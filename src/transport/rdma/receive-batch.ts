import type * as Verbs from 'ibverbs-node';

/** Receives of one queue pair, which are posted together. The arrival of a frame uses up one receive. */
export class ReceiveBatch {
  readonly #queuePair: Verbs.QueuePair;
  readonly #words: Uint32Array;
  readonly #stride: number;
  #count = 0;

  /**
   * The array is the id of their completions: low word, high word.
   * @param most receives that can wait to be posted
   */
  constructor(
    { RECEIVE_WORDS }: Pick<typeof Verbs, 'RECEIVE_WORDS'>,
    queuePair: Verbs.QueuePair,
    [low, high]: readonly [low: number, high: number],
    most: number,
  ) {
    this.#queuePair = queuePair;
    this.#stride = RECEIVE_WORDS;
    // All receives are the same. They need no memory, because the frame itself is written to a slot.
    this.#words = new Uint32Array(most * RECEIVE_WORDS);
    for (let at = 0; at < this.#words.length; at += this.#stride) this.#words.set([low, high], at);
  }

  /** Adds receives, which `flush` will post. */
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
