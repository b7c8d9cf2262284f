import { cacheHeardMax } from '../update-limits.ts';
import type { Batch, ChainPosition } from '../updates/batch.ts';
import { Chain } from '../updates/chain.ts';

interface Heard {
  readonly number: bigint;
  readonly tick: number;
}

/** What a ranker has heard of the chain of a shard: the ticks of its last batches. */
export class HeardChain {
  #chain: Chain;
  /** In order. Whoever has the first of them has everything before it. */
  #heard: Heard[] = [];
  #isBroken: boolean;

  /** @param incarnation of the stream @param end of the chain when it was heard first */
  constructor(incarnation: number, end: ChainPosition, tick: number) {
    this.#chain = new Chain(end);
    this.#isBroken = end.incarnation !== incarnation;
    this.#heard.push({ number: end.number, tick });
  }

  /** @param tick after all others */
  hear(batch: Pick<Batch, 'position' | 'previous'>, tick: number): void {
    const found = this.#chain.judge(batch);
    // It lost a race, and no node applies it.
    if (found === 'known') return;
    if (found !== 'next') this.#isBroken = true;
    if (this.#isBroken) return;
    this.#chain.advance(batch.position);
    this.#heard.push({ number: batch.position.number, tick });
    if (this.#heard.length > cacheHeardMax) this.#heard.shift();
  }

  /**
   * Begins again with the end of the chain. If that is not where this one leads, nodes may have batches that the stream has lost, and
   * their numbers say nothing any more. @param end undefined: the chain has no batch @param lost whether the stream may have lost some, so
   * that a longer chain may be another one
   */
  beginAgain(end: ChainPosition | undefined, tick: number, lost: boolean): void {
    const { number } = this.#chain.position;
    this.#isBroken ||= !this.#chain.leadsTo(end) || (lost && end !== undefined && end.number > number);
    if (this.#isBroken || end === undefined) return;
    this.#chain = new Chain(end);
    this.#heard = [{ number: end.number, tick }];
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * The tick up to which rows have all batches of this chain that were heard: the one before the first batch that they lack.
   * @param number of the last batch that they have @param now the last tick @returns 0: not known
   */
  tickOf(number: bigint, now: number): number {
    // What is ahead of everything that was heard may be of another chain.
    const last = this.#heard[this.#heard.length - 1];
    if (this.#isBroken || number < this.#heard[0].number || number > last.number) return 0;
    if (number === last.number) return now;
    const lacking = this.#heard.find((heard) => heard.number > number);
    return (lacking ?? last).tick - 1;
  }
}
