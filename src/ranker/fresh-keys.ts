// Lets a cache follow updates of rows.
//
// Each batch that the ranker hears gets the next tick, and its keys are noted with it. An entry has a tick, too: its vector has all
// updates of its keys up to there. So it counts as long as none of its keys has a later tick. Why that is true:
//
// - A reply says the number of the last batch that the rows of a segment have at least. `settle` takes the tick before the first batch
//   of the shard that was heard and that has a higher number, or the current tick if there is none. Batches of a shard are heard
//   in the order of their numbers. So the segment has all of its batches up to this tick. The least tick of all segments is that of
//   the entry.
// - This stays true whatever is heard later, because that gets later ticks. So the entry may be added at any time after `settle`.
// - A batch that was never heard would have no tick. So if batches may have been missed, no entry counts that was settled before: the floor
//   is above it. And a number counts only if everything before it is known to be in it: it is not before the first that was heard.

import { FEATURE_SEGMENTS, FEATURE_TICK } from '../kernel/ask-layout.ts';
import { NO_TICK } from '../kernel/cache-layout.ts';
import type { AnsweredUpdates } from '../lookup/answered-updates.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import type { KeyTicks } from '../lookup/key-ticks.ts';
import { cacheBehindMsMax, cacheChainsMax } from '../update-limits.ts';
import type { ChainPosition } from '../updates/batch.ts';
import type { KeysListener, KeysOfBatch } from '../updates/updated-keys.ts';
import { brokenChain, cacheBehind } from './fresh-errors.ts';
import { HeardChain } from './heard-chain.ts';

/** A shard whose rows change. */
export interface FollowedShard {
  readonly chain: string;
  /** The number that entries of its table have. */
  readonly table: number;
}

export class FreshKeys implements KeysListener {
  readonly #onError: (error: Error) => void;
  readonly #memories = new Set<KeyTicks>();
  /** By chain. */
  #tables: ReadonlyMap<string, number> = new Map();
  #chains = new Map<string, HeardChain>();
  /** Chains whose ends were not heard since it began anew. */
  readonly #awaited = new Set<string>();
  #incarnation = 0;
  #hasLost = false;
  #tick = 1;
  #floor = 1;
  /** Whether the ends of all chains were heard. */
  #isKnown = false;
  #currentAt = Number.NEGATIVE_INFINITY;
  #isInTouch = false;

  /** @param onError is called when entries of tables that take updates do not count any more */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError;
  }

  /** Follows the shards of a routing table that is used from now on. */
  use(shards: Iterable<FollowedShard>): void {
    const before = this.#tables;
    this.#tables = new Map(Array.from(shards, ({ chain, table }) => [chain, table]));
    // What was heard before was not noted for a table that has a new number.
    const isNew = [...this.#tables].some(([chain, table]) => before.get(chain) !== table);
    if (isNew) this.#raise();
  }

  /** Notes keys in another cache, too. @param before the cache whose entries it takes over */
  add(ticks: KeyTicks, before?: KeyTicks): void {
    this.#memories.add(ticks);
    // It knows nothing of what was heard before.
    if (before === undefined) this.#raise();
    else ticks.adopt(before);
    ticks.setFloor(this.#isInTouch ? this.#floor : NO_TICK);
  }

  delete(ticks: KeyTicks): void {
    this.#memories.delete(ticks);
  }

  /** Before a lookup: entries count only if everything was heard until a moment ago. */
  check(): void {
    this.#serve(performance.now() - this.#currentAt <= cacheBehindMsMax);
  }

  onBegin(incarnation: number, lost: boolean): void {
    // Replies of another incarnation do not count.
    if (incarnation !== this.#incarnation) this.#chains.clear();
    this.#incarnation = incarnation;
    this.#hasLost = lost;
    this.#awaited.clear();
    for (const name of this.#chains.keys()) this.#awaited.add(name);
    this.#isKnown = false;
    this.#currentAt = Number.NEGATIVE_INFINITY;
    this.#raise();
    this.#serve(false);
  }

  onBatch(batch: KeysOfBatch): void {
    const { chain: name, position } = batch;
    const [chain, tick] = [this.#chains.get(name), this.#advance()];
    const table = this.#tables.get(name);
    if (table !== undefined)
      for (const ticks of this.#memories)
        for (const keys of [batch.keys, batch.deletes]) ticks.note(table, keys, tick);
    if (chain === undefined) {
      this.#begin(name, position, tick);
      return;
    }
    const wasBroken = chain.isBroken;
    if (this.#awaited.delete(name)) chain.beginAgain(position, tick, this.#hasLost);
    else chain.hear(batch, tick);
    if (chain.isBroken && !wasBroken) this.#break(name);
  }

  #begin(name: string, end: ChainPosition, tick: number): void {
    if (this.#chains.size >= cacheChainsMax) return;
    const chain = new HeardChain(this.#incarnation, end, tick);
    this.#chains.set(name, chain);
    if (chain.isBroken) this.#break(name);
  }

  onCurrent(at: number): void {
    for (const name of this.#awaited) {
      const chain = this.#chains.get(name);
      const wasBroken = chain?.isBroken;
      chain?.beginAgain(undefined, this.#tick, this.#hasLost);
      if (chain?.isBroken && !wasBroken) this.#break(name);
    }
    this.#awaited.clear();
    this.#isKnown = true;
    this.#currentAt = Math.max(at, this.#currentAt);
  }

  onAway(error: Error): void {
    this.#onError(error);
  }

  /** Gives the bags of a lookup the tick of their entries. @param shards by their number */
  settle(
    asked: AskedLookup,
    updates: AnsweredUpdates | undefined,
    shards: ReadonlyMap<number, FollowedShard>,
  ): void {
    if (updates === undefined || !this.#isKnown) return;
    const settled = new Map<number, { tick: number; segments: number }>();
    updates.each((feature, shard, incarnation, number) => {
      const followed = shards.get(shard);
      if (followed === undefined) return;
      const tick = incarnation === this.#incarnation ? this.#tickOf(followed.chain, number) : 0;
      const before = settled.get(feature);
      settled.set(feature, {
        tick: Math.min(tick, before?.tick ?? tick),
        segments: 1 + (before?.segments ?? 0),
      });
    });
    // What says nothing of its updates may have none.
    for (const [feature, { tick, segments }] of settled)
      if (segments === asked.feature(feature, FEATURE_SEGMENTS))
        asked.setFeature(feature, FEATURE_TICK, tick);
  }

  #tickOf(name: string, number: bigint): number {
    const chain = this.#chains.get(name);
    if (chain !== undefined) return chain.tickOf(number, this.#tick);
    return number === 0n && this.#chains.size < cacheChainsMax ? this.#tick : 0;
  }

  /** The next tick. There are 2^32 of them; then no entry counts any more. */
  #advance(): number {
    if (this.#tick === NO_TICK - 1) this.#floor = NO_TICK;
    else this.#tick++;
    return this.#tick;
  }

  /** No entry counts that was settled before. */
  #raise(): void {
    this.#advance();
    this.#floor = Math.max(this.#floor, this.#tick);
    if (this.#isInTouch) for (const ticks of this.#memories) ticks.setFloor(this.#floor);
  }

  #break(name: string): void {
    this.#raise();
    this.#onError(brokenChain(name));
  }

  #serve(isInTouch: boolean): void {
    if (isInTouch === this.#isInTouch) return;
    this.#isInTouch = isInTouch;
    for (const ticks of this.#memories) ticks.setFloor(isInTouch ? this.#floor : NO_TICK);
    if (!isInTouch) this.#onError(cacheBehind());
  }
}
