import type * as Verbs from 'ibverbs-node';

/** One WRITE or READ between one range of local memory and one range of remote memory. */
export interface Transfer {
  readonly opcode: number;
  readonly flags: number;
  /** Id that its completion returns, in two words. */
  readonly idLow: number;
  readonly idHigh: number;
  readonly immediate: number;
  /** `local` and `remote` are addresses. No process has addresses above 2^53. */
  readonly local: number;
  readonly bytes: number;
  readonly lkey: number;
  readonly remote: number;
  readonly rkey: number;
}

/**
 * Work requests of one queue pair, which are posted together, with one doorbell. Requests that exceed the capacity of
 * the send queue wait for completions. A completion can be late if an acknowledgement was lost, even if its data has
 * already arrived.
 */
export class WorkBatch {
  readonly #queuePair: Verbs.QueuePair;
  readonly #words: Uint32Array;
  readonly #stride: number;
  readonly #depth: number;
  #count = 0;
  #underWay = 0;

  /** @param most requests that can wait to be posted @param depth capacity of the queue pair's send queue */
  constructor(
    { REQUEST_WORDS }: Pick<typeof Verbs, 'REQUEST_WORDS'>,
    queuePair: Verbs.QueuePair,
    most: number,
    depth: number,
  ) {
    this.#queuePair = queuePair;
    this.#stride = REQUEST_WORDS;
    this.#depth = depth;
    this.#words = new Uint32Array(most * REQUEST_WORDS);
  }

  /** Adds a transfer, which `flush` will post. */
  add(transfer: Transfer): void {
    const at = this.#count++ * this.#stride;
    const words = this.#words;
    words[at] = transfer.opcode;
    words[at + 1] = transfer.flags;
    words[at + 2] = transfer.idLow;
    words[at + 3] = transfer.idHigh;
    words[at + 4] = transfer.immediate;
    words[at + 5] = 1;
    words[at + 6] = transfer.remote;
    words[at + 7] = transfer.remote / 2 ** 32;
    words[at + 8] = transfer.rkey;
    words[at + 16] = transfer.local;
    words[at + 17] = transfer.local / 2 ** 32;
    words[at + 18] = transfer.bytes;
    words[at + 19] = transfer.lkey;
  }

  /** A signaled request has completed. */
  completed(): void {
    this.#underWay--;
  }

  /** Posts as many requests as the send queue has capacity for. @throws IbverbsError */
  flush(): void {
    const count = Math.min(this.#count, this.#depth - this.#underWay);
    if (count === 0) return;
    this.#queuePair.postSends(this.#words, count);
    this.#underWay += count;
    if (count < this.#count) this.#words.copyWithin(0, count * this.#stride, this.#count * this.#stride);
    this.#count -= count;
  }
}
