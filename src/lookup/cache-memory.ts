// A cache of pooled bags in the memory of a ranker's lookups (kernel/cache-layout.ts).
import * as layout from '../kernel/cache-layout.ts';
import { MORE, NONE } from '../kernel/layout.ts';
import { cachePinnedShareMax } from '../limits.ts';
import { allocationAlignBytes, roundUp } from '../store/free-list.ts';
import { alignUp } from './asked-room.ts';
import { KeyTicks } from './key-ticks.ts';
import type { LookupMemory } from './lookup-memory.ts';
import type { LookupPlan } from './plan-memory.ts';

/** What a cache has done since it was made, and what is in it. */
export interface CacheStats {
  /** All of its memory. */
  readonly bytes: number;
  readonly entries: number;
  /** Bytes of its entries. */
  readonly usedBytes: number;
  /** Bytes of its memory that were ever written. The others are not resident. */
  readonly touchedBytes: number;
  /** Bytes of those that are pinned. */
  readonly pinnedBytes: number;
  /** Bags that were looked for, and those that were found. */
  readonly probed: number;
  readonly hits: number;
  /** Bytes of the vectors that were found. No node had to send them. */
  readonly hitBytes: number;
  /** Entries that were added, that made room for others, and that stayed because they had been used or are pinned. */
  readonly filled: number;
  readonly evicted: number;
  readonly kept: number;
  /** Bags that were not added, because they had not been asked for lately. */
  readonly rejected: number;
  /** Bags that were found, but a row of theirs was updated meanwhile. */
  readonly stale: number;
  /** 1: bags of tables that take updates are cached now. 0: there are no such tables, or their updates are not heard. */
  readonly following: number;
}

/** What a cache takes, and what it keeps. */
export interface CacheSettings {
  /** Of all its parts, and what they may grow to. */
  readonly bytes: number;
  readonly bytesMax: number;
  /** Number of tables that are pinned. */
  readonly pins: number;
  /** Whether all bags that are not found are added, or only those that are worth it. */
  readonly admitsAll: boolean;
  /** Whether it may have entries of tables that take updates. */
  readonly followed: boolean;
}

/** Bytes of the buckets for one entry, if its bucket is as full as most: half; and of the two filters. */
const bucketShare = layout.CACHE_BUCKET_BYTES / (layout.CACHE_BUCKET_ENTRIES / 2);
const seenShare = 4;

/** Entries, or buckets, that one piece of work handles: it takes about a millisecond. */
const adoptedEntries = 2_048;
const spreadBuckets = 512;

/** What goes on to be counted when another cache takes over. */
const counters = [
  layout.CACHE_PROBED,
  layout.CACHE_HITS,
  layout.CACHE_HIT_BYTES,
  layout.CACHE_FILLED,
  layout.CACHE_EVICTED,
  layout.CACHE_KEPT,
  layout.CACHE_REJECTED,
  layout.CACHE_STALE,
];

/** The parts of a cache of some bytes. */
interface CacheParts {
  readonly buckets: number;
  readonly seenBlocks: number;
  /** Bags that a filter remembers. */
  readonly seenMax: number;
  readonly logBytes: number;
}

/** A cache in a memory. The kernels `ask` and `mergeReplies` use it, for lookups of every plan whose tables have numbers. */
export class CacheMemory {
  readonly address: number;
  /** Which keys were updated. Undefined: it has no entries of tables that take updates. */
  readonly keyTicks: KeyTicks | undefined;
  readonly #memory: LookupMemory;
  readonly #pins: number;
  readonly #entryBytes: number;
  #bytes: number;

  /** @param memory it has bytesMax bytes, untouched until the cache grows @param plan tables whose entries have the usual sizes */
  constructor(
    memory: LookupMemory,
    { bytes, bytesMax, pins, admitsAll, followed }: CacheSettings,
    plan: LookupPlan,
  ) {
    const address = memory.slots.allocate(bytesMax);
    if (address === undefined) throw new RangeError(`the memory has no ${bytesMax} bytes for a cache`);
    this.#memory = memory;
    this.#bytes = bytes;
    this.#pins = pins;
    this.#entryBytes = usualEntryBytes(plan);
    this.address = address;
    // Each part has the place that it needs when the cache has grown.
    const most = this.#partsOf(bytesMax);
    const pinsAt = address + layout.CACHE_BYTES;
    const bucketsAt = pinsAt + this.#pinBytes;
    const seenAt = bucketsAt + most.buckets * layout.CACHE_BUCKET_BYTES;
    const logAt = seenAt + 2 * most.seenBlocks * layout.CACHE_SEEN_BLOCK_BYTES;
    const { buckets, seenBlocks, seenMax, logBytes } = this.#partsOf(bytes);
    this.#set(layout.CACHE_ADMITS_ALL, Number(admitsAll));
    this.#set(layout.CACHE_PINS, pinsAt);
    this.#set(layout.CACHE_BUCKETS, bucketsAt);
    this.#set(layout.CACHE_BUCKET_COUNT, buckets);
    this.#set(layout.CACHE_SPLIT, NONE);
    this.#set(layout.CACHE_SEEN, seenAt);
    this.#set(layout.CACHE_SEEN_BLOCKS, seenBlocks);
    this.#set(layout.CACHE_SEEN_MAX, seenMax);
    this.#set(layout.CACHE_LOG, logAt);
    this.#set(layout.CACHE_LOG_BYTES, logBytes);
    this.#set(layout.CACHE_END, logBytes);
    this.#set(layout.CACHE_PINNED_MAX, Math.floor(logBytes * cachePinnedShareMax));
    memory.words.set(crypto.getRandomValues(new Uint32Array(2)), (address + layout.CACHE_SEED) >>> 2);
    this.keyTicks = followed ? new KeyTicks(memory, address) : undefined;
    this.pin(plan);
  }

  get #pinBytes(): number {
    return roundUp(this.#pins * layout.PIN_BYTES);
  }

  #partsOf(bytes: number): CacheParts {
    const entries = Math.max(64, Math.floor(bytes / (this.#entryBytes + bucketShare + seenShare)));
    const buckets = Math.ceil((entries * bucketShare) / layout.CACHE_BUCKET_BYTES);
    const seenBlocks = Math.ceil((entries * seenShare) / 2 / layout.CACHE_SEEN_BLOCK_BYTES);
    const index = buckets * layout.CACHE_BUCKET_BYTES + 2 * seenBlocks * layout.CACHE_SEEN_BLOCK_BYTES;
    const logBytes = (bytes - layout.CACHE_BYTES - this.#pinBytes - index) & ~15;
    return { buckets, seenBlocks, seenMax: Math.ceil(entries / 2), logBytes };
  }

  /** Pins the entries of the pinned tables of a plan, and no others. */
  pin({ tables }: LookupPlan): void {
    const { words } = this.#memory;
    const numbers = new Map(tables.map(({ cached }) => [cached.pin, cached.number]));
    for (let pin = 1; pin <= this.#pins; pin++) {
      const at = this.#at(layout.CACHE_PINS) + (pin - 1) * layout.PIN_BYTES;
      const number = numbers.get(pin) ?? 0;
      if (words[(at + layout.PIN_NUMBER) >>> 2] === number) continue;
      const used = words[(at + layout.PIN_USED) >>> 2];
      this.#set(layout.CACHE_PINNED, this.#at(layout.CACHE_PINNED) - used);
      words[(at + layout.PIN_NUMBER) >>> 2] = number;
      words[(at + layout.PIN_USED) >>> 2] = 0;
    }
  }

  /**
   * Becomes larger, at most as large as its memory allows. Lookups use it meanwhile. If its log has begun again at its start,
   * the new bytes are used when its head comes there. Yields after each piece of work.
   */
  *grow(bytes: number): Generator<void> {
    const { kernels, bytes: memory } = this.#memory;
    const { buckets, seenBlocks, seenMax, logBytes } = this.#partsOf(bytes);
    kernels.openGrowth(this.address, buckets);
    while (kernels.spreadBuckets(this.address, spreadBuckets) === MORE) yield;
    // The filters begin anew: they have other blocks for the same bags.
    const seen = this.#at(layout.CACHE_SEEN);
    memory.fill(0, seen, seen + 2 * seenBlocks * layout.CACHE_SEEN_BLOCK_BYTES);
    this.#set(layout.CACHE_SEEN_COUNT, 0);
    this.#set(layout.CACHE_SEEN_BLOCKS, seenBlocks);
    this.#set(layout.CACHE_SEEN_MAX, seenMax);
    const [used, more] = [this.#at(layout.CACHE_USED), logBytes - this.#at(layout.CACHE_LOG_BYTES)];
    const isCircle = used > 0 && this.#at(layout.CACHE_HEAD) <= this.#at(layout.CACHE_TAIL);
    // The rest of the log after CACHE_END counts as used until the tail has passed it.
    if (isCircle) this.#set(layout.CACHE_USED, used + more);
    else this.#set(layout.CACHE_END, logBytes);
    this.#set(layout.CACHE_LOG_BYTES, logBytes);
    this.#set(layout.CACHE_PINNED_MAX, Math.floor(logBytes * cachePinnedShareMax));
    this.#bytes = bytes;
  }

  /**
   * Takes over entries of another cache: all, or as many as fit, those first that are pinned or were used most lately. Until this
   * is done, the other one answers lookups, but neither adds nor evicts entries. Yields after each piece of work.
   */
  *adopt(other: CacheMemory): Generator<void> {
    const { kernels } = this.#memory;
    const { kernels: others, slots } = other.#memory;
    const survey = slots.allocate(layout.SURVEY_BYTES);
    if (survey === undefined) return;
    other.#set(layout.CACHE_FROZEN, 1);
    try {
      const pinned = this.#at(layout.CACHE_PINNED_MAX);
      others.openSurvey(other.address, survey, pinned);
      other.#memory.words.fill(0, (survey + layout.SURVEY_SUMS) >>> 2, (survey + layout.SURVEY_RUNS) >>> 2);
      while (others.weighEntries(other.address, survey, adoptedEntries) === MORE) yield;
      other.#choose(survey, this.#at(layout.CACHE_LOG_BYTES) - pinned);
      others.openSurvey(other.address, survey, pinned);
      let at = 0;
      for (let status = MORE; status === MORE; ) {
        status = others.pickEntries(other.address, survey, adoptedEntries);
        at += this.#copy(other, survey, at);
        yield;
      }
      for (const field of [layout.CACHE_SEED, layout.CACHE_SEED + 4]) this.#set(field, other.#at(field));
      while (kernels.adoptEntries(this.address, at, adoptedEntries) === MORE) yield;
      for (const field of counters)
        this.#memory.longs[(this.address + field) >>> 3] = other.#memory.longs[(other.address + field) >>> 3];
    } finally {
      other.#set(layout.CACHE_FROZEN, 0);
      slots.free(survey, layout.SURVEY_BYTES);
    }
  }

  /** Chooses entries of a survey. @param unpinned bytes for them, besides those that may be pinned */
  #choose(survey: number, unpinned: number): void {
    const { words } = this.#memory;
    const bytes = unpinned + words[(survey + layout.SURVEY_PINNED) >>> 2];
    let [left, least] = [bytes, layout.CACHE_CHANCES_MAX];
    const sumOf = (chances: number): number => words[((survey + layout.SURVEY_SUMS) >>> 2) + chances];
    while (least > 0 && sumOf(least) <= left) left -= sumOf(least--);
    words[(survey + layout.SURVEY_ROOM) >>> 2] = bytes;
    words[(survey + layout.SURVEY_LEAST) >>> 2] = least;
    words[(survey + layout.SURVEY_SKIP) >>> 2] = Math.max(0, sumOf(least) - left);
  }

  /** Copies the listed entries of another cache to the log. @param at where, in bytes from its start @returns their bytes */
  #copy(other: CacheMemory, survey: number, at: number): number {
    const { words, bytes } = other.#memory;
    const from = other.#at(layout.CACHE_LOG);
    const runs = words[(survey + layout.SURVEY_RUNS) >>> 2];
    let to = this.#at(layout.CACHE_LOG) + at;
    for (let i = 0; i < runs; i++) {
      const run = ((survey + layout.SURVEY_RUN_LIST) >>> 2) + 2 * i;
      this.#memory.bytes.set(bytes.subarray(from + words[run], from + words[run] + words[run + 1]), to);
      to += words[run + 1];
    }
    return to - this.#at(layout.CACHE_LOG) - at;
  }

  /** Bytes of its memory that were ever written, with its index and filters. */
  get touchedBytes(): number {
    return this.#bytes - this.#at(layout.CACHE_LOG_BYTES) + this.#at(layout.CACHE_TOUCHED);
  }

  get stats(): CacheStats {
    return {
      bytes: this.#bytes,
      entries: this.#at(layout.CACHE_ENTRIES),
      // After a growth, more may be reserved than was ever written.
      usedBytes: Math.min(this.#at(layout.CACHE_USED), this.#at(layout.CACHE_TOUCHED)),
      touchedBytes: this.touchedBytes,
      pinnedBytes: this.#at(layout.CACHE_PINNED),
      probed: this.#counter(layout.CACHE_PROBED),
      hits: this.#counter(layout.CACHE_HITS),
      hitBytes: this.#counter(layout.CACHE_HIT_BYTES),
      filled: this.#counter(layout.CACHE_FILLED),
      evicted: this.#counter(layout.CACHE_EVICTED),
      kept: this.#counter(layout.CACHE_KEPT),
      rejected: this.#counter(layout.CACHE_REJECTED),
      stale: this.#counter(layout.CACHE_STALE),
      following: Number(this.keyTicks !== undefined && this.#at(layout.CACHE_FLOOR) !== layout.NO_TICK),
    };
  }

  #at(field: number): number {
    return this.#memory.words[(this.address + field) >>> 2];
  }

  #set(field: number, value: number): void {
    this.#memory.words[(this.address + field) >>> 2] = value;
  }

  #counter(field: number): number {
    return Number(this.#memory.longs[(this.address + field) >>> 3]);
  }
}

/** Bytes of an entry of one key, on average over the tables whose bags are cached. */
function usualEntryBytes({ tables }: LookupPlan): number {
  const those = tables.filter(({ cached }) => cached.number !== 0);
  const sum = those.reduce((all, { spec }) => all + alignUp(layout.ENTRY_KEYS + 4) + spec.dim * 4, 0);
  return Math.max(allocationAlignBytes, sum / Math.max(1, those.length));
}
