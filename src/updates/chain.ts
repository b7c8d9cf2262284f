import { chainHistoryMax } from '../update-limits.ts';
import type { Batch, ChainPosition } from './batch.ts';

/**
 * What the batch of a stream is for somebody who has followed a chain so far:
 * `next` continues it. `known` is in it already, or lost a race against one that is: it is left out, by everybody, because all read
 * the stream in the same order. `gap`: batches between are missing. `fork`: the chain that was followed is not the one in the stream
 * any more, because the stream has lost batches, and their numbers were used again, or because it was made anew.
 */
export type Continuation = 'next' | 'known' | 'gap' | 'fork';

/** Where a chain begins: before its first batch. */
export function genesis(incarnation: number): ChainPosition {
  return { incarnation, number: 0n, digest: 0n };
}

/** Whether two places are the same one of the same chain. */
export function isSamePlace(one: ChainPosition, other: ChainPosition): boolean {
  return one.incarnation === other.incarnation && one.number === other.number && one.digest === other.digest;
}

/** The chain of batches of one shard, as far as it was followed. */
export class Chain {
  #position: ChainPosition;
  /** Digests of the last positions, by number. */
  readonly #digests = new Map<bigint, bigint>();

  constructor(position: ChainPosition) {
    this.#position = position;
    this.#digests.set(position.number, position.digest);
  }

  get position(): ChainPosition {
    return this.#position;
  }

  /** What a batch is, by its place and that of the one before it. */
  judge({ position, previous }: Pick<Batch, 'position' | 'previous'>): Continuation {
    const { incarnation, number, digest } = this.#position;
    if (position.incarnation !== incarnation) return 'fork';
    if (position.number === number + 1n) return previous === digest ? 'next' : 'fork';
    if (position.number > number) return 'gap';
    return this.#has(position) || this.#has({ number: position.number - 1n, digest: previous })
      ? 'known'
      : 'fork';
  }

  /** What was followed longer ago than it remembers is taken for what it says. */
  #has({ number, digest }: Pick<ChainPosition, 'number' | 'digest'>): boolean {
    return (this.#digests.get(number) ?? digest) === digest;
  }

  /** @param position of a batch that is `next` */
  advance(position: ChainPosition): void {
    this.#position = position;
    this.#digests.set(position.number, position.digest);
    this.#digests.delete(position.number - BigInt(chainHistoryMax));
  }

  /** Whether it is the chain in the stream, or its beginning. @param end of the one in the stream; undefined: it has none */
  leadsTo(end: ChainPosition | undefined): boolean {
    const { incarnation, number } = this.#position;
    if (end === undefined) return number === 0n;
    if (end.incarnation !== incarnation || end.number < number) return false;
    return end.number > number || this.#has(end);
  }
}
